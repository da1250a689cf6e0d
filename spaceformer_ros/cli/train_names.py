# SPDX-License-Identifier: Apache-2.0
"""`spaceformer train-names`: train the name head of a checkpoint."""

import functools
import logging

from .options import file_name


def add_arguments(parser):
    """Add the arguments of this command to an argparse parser."""
    parser.add_argument(
        "folder", type=file_name, help="folder of collected masks and checkpoint; an existing run is continued"
    )
    parser.add_argument("--config", default="", help="yaml file, such as config/train_names.yaml")
    parser.add_argument("--device", default="auto", help="cpu, cuda:0 or auto (default: %(default)s)")


def run(options):
    """Train the part of a network that names its masks, on generated rooms; can be interrupted and continued."""
    from tqdm import tqdm

    from ..training.names import run as run_training

    logging.getLogger("spaceformer_ros").setLevel(logging.INFO)
    progress = functools.partial(tqdm, unit="room", disable=None)
    path, digest = run_training(options.folder, options.config, options.device, progress)
    print(f"the checkpoint is {path}, SHA-256 {digest}")
