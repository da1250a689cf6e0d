# SPDX-License-Identifier: Apache-2.0
"""`spaceformer rooms`: write generated rooms to files."""

from .options import count, results_folder


def add_arguments(parser):
    """Add the arguments of this command to an argparse parser."""
    parser.add_argument("--out", required=True, help="folder of the rooms")
    parser.add_argument("-n", type=count(1), default=1, help="number of rooms (default: %(default)s)")
    parser.add_argument(
        "--seed",
        type=count(0),
        default=0,
        help="seed of the first room, then counted up (default: %(default)s)",
    )


def run(options):
    """Write generated rooms with known contents.

    Per room: room_<seed>.ply (x, y, z, colours, instance, kind), room_<seed>.json (objects) and
    room_<seed>_texts.json (questions and their answers).
    """
    from tqdm import tqdm

    from ..synthetic import make_room, write_room

    folder = results_folder(options.out)
    for seed in tqdm(range(options.seed, options.seed + options.n), unit="room", disable=None):
        write_room(make_room(seed), folder, f"room_{seed}")
