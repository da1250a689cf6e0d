# SPDX-License-Identifier: Apache-2.0
"""`spaceformer rooms`: write generated rooms to files."""

from .options import count, file_name, results_folder


def add_arguments(parser):
    """Add the arguments of this command to an argparse parser."""
    parser.add_argument("--out", type=file_name, required=True, help="folder of the rooms")
    parser.add_argument(
        "--rooms",
        type=count(1),
        default=1,
        help="connected rooms in each file, 1 to 8; more than one are seen in whole (default: %(default)s)",
    )
    parser.add_argument("-n", type=count(1), default=1, help="number of files (default: %(default)s)")
    parser.add_argument(
        "--seed",
        type=count(0),
        default=0,
        help="seed of the first room, then counted up (default: %(default)s)",
    )


def run(options):
    """Write generated rooms with known contents.

    Per room: room_<seed>.ply (x, y, z, colours, instance, kind), room_<seed>.json (objects), room_<seed>_texts.json
    (questions and their answers) and layouts/room_<seed>.txt (walls, doors, windows and boxes in SpatialLM's text).
    """
    from tqdm import tqdm

    from ..disk.atomic import replace_file
    from ..graph.build import graph_of
    from ..graph.formats import to_spatiallm
    from ..synthetic import RoomConfig, make_room, write_room

    folder = results_folder(options.out)
    layouts = results_folder(folder / "layouts")
    config = RoomConfig(rooms=options.rooms, tours=(1, 0, 0)) if options.rooms > 1 else RoomConfig()
    for seed in tqdm(range(options.seed, options.seed + options.n), unit="room", disable=None):
        room = make_room(seed, config)
        write_room(room, folder, f"room_{seed}")
        graph = graph_of(room.layout, [(thing.kind, thing.box) for thing in room.objects])
        replace_file(layouts / f"room_{seed}.txt", [to_spatiallm(graph).encode()])
