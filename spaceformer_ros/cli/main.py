# SPDX-License-Identifier: Apache-2.0
"""The argument parser and the dispatch of all commands. Heavy modules are imported only when their command runs."""

import argparse
import contextlib
import inspect
import logging
import os
import sys

from .. import SpaceformerError, __version__
from ..disk.paths import display_path
from ..missing import missing_package
from . import (
    assets,
    edit,
    evaluate,
    export,
    find,
    fuse,
    layout,
    mcp,
    prepare,
    render,
    rooms,
    segment,
    train,
    train_names,
    train_points,
    view,
)
from .options import HelpAll, explain_unknown, join_up

# Name, module with `add_arguments(parser)` and `run(options)`, help.
COMMANDS = (
    ("segment", segment, "find and label the objects in cloud files"),
    ("find", find, "locate objects in a cloud file by text"),
    ("fuse", fuse, "make a coloured map from posed colour and depth pictures"),
    ("view", view, "show maps on a page in the browser"),
    ("mcp", mcp, "offer a map to language models as tools"),
    ("render", render, "draw what a camera would see of a map: ids, overlay, marks, relevancy"),
    ("export", export, "write a map for planners, simulators and viewers"),
    ("edit", edit, "correct the objects and rooms of a scene file by hand"),
    ("layout", layout, "find rooms, walls, doors and windows; draw a floor plan"),
    ("evaluate", evaluate, "score predictions against ground truth"),
    ("prepare", prepare, "download the released weights, after consent, and their text model"),
    ("rooms", rooms, "write generated rooms with known contents"),
    ("assets", assets, "read furniture models for generated rooms"),
    ("train", train, "train a checkpoint on generated rooms"),
    ("train-names", train_names, "train the name head of a checkpoint"),
    ("train-points", train_points, "train the point head of a checkpoint"),
)


def main(arguments=None):
    """Run a command. Errors are printed as one sentence. Exit code 1: an error; 2: wrong arguments; 130: Ctrl-C."""
    _open_closed_streams()
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # texts and names of files that the terminal cannot show
    try:
        try:
            run_command(arguments)
        finally:
            sys.stdout.flush()
    except SpaceformerError as error:
        print(f"spaceformer: {error}", file=sys.stderr)
        sys.exit(1)
    except ImportError as error:
        sentence = missing_package(error, "~/spaceformer_venv/bin/python -m spaceformer_ros.cli")
        if sentence is None:
            raise
        print(f"spaceformer: {sentence}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("spaceformer: interrupted", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # the reader, such as `head`, has closed the pipe
            name = "the output cannot be written" if error.filename is None else display_path(error.filename)
            print(f"spaceformer: {name}: {error.strerror or error}", file=sys.stderr)
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # otherwise flushing at exit fails again
        sys.exit(1)


def _open_closed_streams():
    """Output that the caller has closed, as `>&-` and some service managers do, goes nowhere instead of failing."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - until the process ends


def run_command(arguments=None):
    """Parse arguments (default: those of the process) and run their command. Raises SpaceformerError, SystemExit."""
    parser = build_parser()
    options, unknown = parser.parse_known_args(join_up(sys.argv[1:] if arguments is None else arguments))
    if unknown:
        options.parser.error(explain_unknown(unknown))  # with the usage of the command
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING, format="%(message)s")
    options.run(options)


def build_parser():
    """The argument parser with all commands."""
    parser = argparse.ArgumentParser(
        prog="spaceformer",
        description="Open-vocabulary 3D instance segmentation of coloured point clouds in files.",
        epilog="Run `spaceformer COMMAND --help` for the options of a command.",
    )
    parser.add_argument("--help-all", action=HelpAll)
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--verbose", action="store_true", help="print log messages")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, module, text in COMMANDS:
        command = commands.add_parser(
            name,
            help=text,
            description=inspect.cleandoc(module.run.__doc__),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run, parser=command)
    return parser
