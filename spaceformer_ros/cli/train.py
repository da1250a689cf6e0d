# SPDX-License-Identifier: Apache-2.0
"""`spaceformer train`: train a checkpoint on generated rooms."""

import logging

from .options import count, file_name, number


def add_arguments(parser):
    """Add the arguments of this command to an argparse parser."""
    parser.add_argument(
        "folder", type=file_name, help="folder of state, logs and checkpoint; an existing run is continued"
    )
    parser.add_argument("--config", default="", help="yaml file, such as config/train_demo_1.yaml")
    parser.add_argument("--device", default="auto", help="cpu, cuda:0 or auto (default: %(default)s)")
    parser.add_argument(
        "--max-hours", type=number(0), default=float("inf"), help="stop after this time; can be continued"
    )
    parser.add_argument("--threads", type=count(0), default=0, help="CPU threads of the network (default: all)")


def run(options):
    """Train a checkpoint on generated rooms until the configured step; can be interrupted and continued."""
    from ..training.train import run as run_training

    logging.getLogger("spaceformer_ros").setLevel(logging.INFO)
    trainer = run_training(options.folder, options.config, options.device, options.max_hours, options.threads)
    print(f"step {trainer.step}; the checkpoint is {options.folder}/checkpoint.safetensors")
