# SPDX-License-Identifier: Apache-2.0
"""`spaceformer edit`: correct a scene file by hand, with the same operations as the service `~/edit_object`."""

import argparse
import getpass
import math
import pathlib
import time

from .. import SpaceformerError
from ..scene.edit_request import (
    ADD,
    DELETE,
    MERGE,
    MOVE,
    NAME_ROOM,
    PIN,
    RENAME,
    SPLIT,
    UNDO,
    UNPIN,
    EditRequest,
)
from .options import add_settings, config_of, count, file_name, number
from .tables import print_table

LIST = "list"  # prints the edits instead of making one
# Operation, help, and which arguments it takes.
OPERATIONS = (
    (RENAME, "give an object another name; without one it gets its label from the network again", ("id", "name?")),
    (DELETE, "remove objects that do not exist; they stay deleted until their places have visibly changed", ("ids",)),
    (ADD, "add an object that was not found", ("name", "at", "size", "yaw")),
    (MOVE, "move an object to another place", ("id", "at", "yaw")),
    (PIN, "keep objects and their names, whatever the network finds", ("ids",)),
    (UNPIN, "undo pin", ("ids",)),
    (NAME_ROOM, "give a room a name; without one it is named after its objects again", ("id", "name?")),
    (MERGE, "join parts of one object, which keeps the first id", ("ids",)),
    (SPLIT, "divide an object in two by the upright plane through --at across --yaw", ("id", "at", "yaw")),
    (UNDO, "take back the last edits", ("count",)),
    (LIST, "print the edits that were made", ()),
)


def add_arguments(parser):
    """Add the arguments of this command to an argparse parser."""
    parser.add_argument(
        "scene", type=file_name, help="scene file (.safetensors) that ~/save or `spaceformer segment --scenes` wrote"
    )
    parser.add_argument(
        "--out", type=file_name, help="write the corrected scene to this file (default: replace the scene file)"
    )
    parser.add_argument("--author", help="kept with the edit (default: the name of the user)")
    add_settings(parser)
    operations = parser.add_subparsers(dest="operation", required=True, metavar="OPERATION")
    for name, text, wanted in OPERATIONS:
        one = operations.add_parser(name.replace("_", "-"), help=text, description=text[0].upper() + text[1:] + ".")
        for argument in wanted:
            _add_argument(one, argument)
        hidden = {"default": argparse.SUPPRESS, "help": argparse.SUPPRESS}
        one.add_argument("--out", type=file_name, **hidden)  # these may also stand behind the operation
        one.add_argument("--author", **hidden)
        one.set_defaults(operation=name)


def _add_argument(parser, name):
    if name in ("id", "ids"):
        parser.add_argument("ids", type=count(1), nargs="+" if name == "ids" else 1, metavar="ID", help="as printed")
    elif name in ("name", "name?"):
        parser.add_argument("name", nargs="?" if name == "name?" else None, default="")
    elif name == "at":
        parser.add_argument("--at", nargs=3, type=number(), required=True, metavar=tuple("XYZ"), help="centre, metres")
    elif name == "size":
        parser.add_argument("--size", nargs=3, type=number(), required=True, metavar=tuple("XYZ"), help="metres")
    elif name == "yaw":
        parser.add_argument("--yaw", type=number(), default=0.0, help="heading in degrees (default: %(default)s)")
    elif name == "count":
        parser.add_argument("count", type=count(1), nargs="?", default=1, help="(default: %(default)s)")


def run(options):
    """Correct a scene file: rename, delete, add, move, pin, merge or split objects, name a room, undo.

    Positions are in the frame of the map. The file is replaced as a whole or not at all; a node that loads it keeps the
    edits. Ids are those of `spaceformer find` and of the topics. Example:

        spaceformer edit map.safetensors rename 12 "office chair"
    """
    from ..disk.paths import display_path
    from ..pipeline import build_pipeline
    from ..scene.data_dir import SUFFIX
    from ..scene.file import read_scene

    source = pathlib.Path(options.scene)
    if source.suffix != SUFFIX:
        raise SpaceformerError(
            f"{display_path(options.scene)} is not a scene file: its name does not end with {SUFFIX}"
        )
    if options.operation == LIST:
        print_history(read_scene(source.absolute()).history)
        return
    request = request_of(options)
    pipeline = build_pipeline(config_of(options))
    pipeline.load(source.absolute())
    _, ids = pipeline.edit(request, time.time_ns())
    out = pathlib.Path(options.out or source)
    pipeline.save(out.absolute())
    print(f"{pipeline.store.history[-1].text} (ids {', '.join(map(str, ids)) or 'none'}); written to {out}")


def request_of(options):
    """The EditRequest of parsed arguments. Raises SpaceformerError."""
    given = vars(options)
    return EditRequest(
        operation=options.operation,
        ids=tuple(given.get("ids", ())),
        label=" ".join(given.get("name", "").split()),
        position=tuple(given.get("at", (0.0, 0.0, 0.0))),
        yaw=math.radians(given.get("yaw", 0.0)),
        size=tuple(given.get("size", (0.0, 0.0, 0.0))),
        count=given.get("count", 1),
        author=options.author or _user(),
    )


def _user():
    """Name of the user who runs the command, as far as the system knows it."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "operator"


def print_history(history):
    """Print Edits as a table, newest first."""
    rows = [(edit.time, edit.author, edit.text) for edit in reversed(history)]
    print_table(rows, ("time", "author", "edit")) if rows else print("no edits were made")
