# SPDX-License-Identifier: Apache-2.0
"""`spaceformer mcp`: tools for language models on the map of a file."""

from .options import add_settings, add_up, config_of, file_name


def add_arguments(parser):
    """Add the arguments of this command to an argparse parser."""
    parser.add_argument(
        "--scene", type=file_name, required=True, metavar="FILE", help="coloured cloud or saved scene (.safetensors)"
    )
    add_up(parser)
    parser.add_argument("--allow-changes", action="store_true", help="offer set_vocabulary and edit_object too")
    parser.add_argument(
        "--http", type=int, metavar="PORT", help="serve http://127.0.0.1:PORT/mcp instead of standard input and output"
    )
    add_settings(parser)


def run(options):
    """Serve a map to language models with MCP, the Model Context Protocol, over standard input and output."""
    from ..agents.run import serve
    from .source_of_file import source_of_files

    serve(source_of_files(options.scene, config_of(options), options.up), options.http, options.allow_changes)
