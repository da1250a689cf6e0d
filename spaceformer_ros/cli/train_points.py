# SPDX-License-Identifier: Apache-2.0
"""`spaceformer train-points`: train the point head of a checkpoint."""

import functools
import logging

from .options import file_name


def add_arguments(parser):
    """Add the arguments of this command to an argparse parser."""
    parser.add_argument(
        "folder", type=file_name, help="folder of collected objects and checkpoint; an existing run is continued"
    )
    parser.add_argument("--config", default="", help="yaml file, such as config/train_points.yaml")


def run(options):
    """Train the part of a network that names masks by their points, on the CPU; a run that was stopped goes on."""
    from tqdm import tqdm

    from ..training.points import run as run_training

    logging.getLogger("spaceformer_ros").setLevel(logging.INFO)
    progress = functools.partial(tqdm, unit="room", disable=None)
    path, digest = run_training(options.folder, options.config, progress)
    print(f"the checkpoint is {path}, SHA-256 {digest}")
