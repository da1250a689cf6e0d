# SPDX-License-Identifier: Apache-2.0
"""`spaceformer view`: show maps on a page in the browser."""

import contextlib
import sys

from .options import add_settings, add_up, config_of, file_name


def add_arguments(parser):
    """Add the arguments of this command to an argparse parser."""
    parser.add_argument("map", type=file_name, help="coloured cloud, saved scene (.safetensors), or a folder of them")
    add_up(parser)
    parser.add_argument("--port", type=int, default=8080, help="of the page; 0: any free one (default: %(default)s)")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on. By default only this machine can connect; with 0.0.0.0 everybody in the network "
        "can connect, see the map and change the vocabulary: there is no password",
    )
    add_settings(parser)


def run(options):
    """Show maps on a page in the browser: ask, see boxes and relevancy, change the vocabulary. Needs viser."""
    from ..view.server import Viewer
    from .source_of_file import source_of_files

    source = source_of_files(options.map, config_of(options), options.up)
    viewer = Viewer(source, options.host, options.port)
    print(f"{viewer.address} shows {source.chosen}; end with Ctrl-C", flush=True)
    if viewer.warning:
        print(f"spaceformer: {viewer.warning}", file=sys.stderr)
    with contextlib.suppress(KeyboardInterrupt):
        viewer.wait()
    with contextlib.suppress(KeyboardInterrupt):  # a second Ctrl-C
        viewer.close()
