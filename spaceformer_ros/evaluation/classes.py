# SPDX-License-Identifier: Apache-2.0
"""The evaluated classes: from a file, from a known benchmark, or all classes of the ground truth."""

import ast
import contextlib
import pathlib

from .. import SpaceformerError
from ..disk.text_files import read_text, read_yaml
from ..words.vocabulary import Vocabulary
from .sample import NONE

STRUCTURE = ("wall", "floor")  # in ScanNet200's list, but never evaluated as instances
ONE_CLASS = "object"  # the class of everything in a class-agnostic evaluation
# The 18 classes of ScanNet's instance benchmark with their ids (NYU40).
SCANNET = dict(
    zip(
        (3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 24, 28, 33, 34, 36, 39),
        (
            *("cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture", "counter", "desk"),
            *("curtain", "refrigerator", "shower curtain", "toilet", "sink", "bathtub", "otherfurniture"),
        ),
    )
)


class Classes:
    """Class names and their indices. A fixed set never changes; an open set adds every name that is looked up."""

    def __init__(self, entries=None, groups=None):
        """entries: dict id -> "name" or "name|synonym", or None for an open set; groups: dict such as head -> names.

        Raises SpaceformerError for duplicate names and for groups of unknown names.
        """
        self.fixed, entries = entries is not None, entries or {}
        phrases = Vocabulary.parse(entries.values()).phrases if self.fixed else ()
        self.names = [_plain(phrase[0]) for phrase in phrases]
        self._index = {_plain(text): i for i, phrase in enumerate(phrases) for text in phrase}
        self._ids = dict(zip(entries, range(len(entries))))
        self.groups = {}
        for group, members in (groups or {}).items():
            unknown = [name for name in members if _plain(name) not in self._index]
            if unknown:
                raise SpaceformerError(f"group {group!r} has {unknown[0]!r}, which is not among the classes: add it")
            self.groups[str(group)] = [self._index[_plain(name)] for name in members]

    def index(self, name):
        """Index of a class given by its name (str) or its id (int); NONE if a fixed set does not have it."""
        if not isinstance(name, str):
            if int(name) in self._ids:
                return self._ids[int(name)]
            name = str(int(name))
        name = _plain(name)
        if name not in self._index:
            if self.fixed:
                return NONE
            self._index[name] = len(self.names)
            self.names.append(name)
        return self._index[name]


class OneClass(Classes):
    """One class for everything: a class-agnostic evaluation."""

    def __init__(self):
        super().__init__({1: ONE_CLASS})

    def index(self, name):
        return 0


def _plain(name):
    return " ".join(str(name).lower().split())


def read_classes(source):
    """Classes from "scannet", ScanNet200's scannet200_constants.py, or a yaml file: `classes`, a mapping of ids to
    names or a list of names (ids from 1), and optionally `groups`, lists of class names such as head, common, tail,
    base or novel. Raises SpaceformerError."""
    if source == "scannet":
        return Classes(SCANNET)
    if pathlib.Path(source).suffix == ".py":
        return Classes(*read_scannet200(pathlib.Path(source)))
    try:
        content = read_yaml(source)
    except SpaceformerError as error:
        raise SpaceformerError(f"labels: {error}; give scannet or a yaml file") from error
    content = content if isinstance(content, dict) and "classes" in content else {"classes": content}
    entries, groups = content["classes"], content.get("groups") or {}
    if isinstance(entries, list):
        entries = dict(enumerate(entries, start=1))
    if not isinstance(entries, dict) or not entries or not all(isinstance(key, int) for key in entries):
        raise SpaceformerError(
            f"labels {source}: expected `classes`, a list of names or a mapping of whole ids to names"
        )
    if not isinstance(groups, dict) or not all(isinstance(names, list) for names in groups.values()):
        raise SpaceformerError(f"labels {source}: expected `groups`, a mapping of words such as head to lists of names")
    bad = [name for names in (entries.values(), *groups.values()) for name in names if not isinstance(name, str)]
    if bad:
        raise SpaceformerError(f"labels {source}: the name {str(bad[0])[:100]!r} is not a string")
    try:
        return Classes(entries, groups)
    except SpaceformerError as error:
        raise SpaceformerError(f"labels {source}: {error}") from error


def read_scannet200(path):
    """Dict id -> name and dict group -> names of ScanNet200, parsed from the benchmark's Python files (not executed).

    path: scannet200_constants.py (VALID_CLASS_IDS_200, CLASS_LABELS_200); with scannet200_splits.py beside it
    (HEAD_CATS_SCANNET_200 and so on) there are groups. Walls and floors are left out. Raises SpaceformerError.
    """
    known = _literals(path)
    ids, names = (known.get(name, ()) for name in ("VALID_CLASS_IDS_200", "CLASS_LABELS_200"))
    if not names or len(ids) != len(names):
        raise SpaceformerError(
            f"labels {path}: {len(ids)} VALID_CLASS_IDS_200 and {len(names)} CLASS_LABELS_200, expected equal "
            "numbers: give the scannet200_constants.py of ScanNet's BenchmarkScripts"
        )
    entries = {key: name for key, name in zip(ids, names) if name not in STRUCTURE}
    splits = path.with_name("scannet200_splits.py")
    known = _literals(splits) if splits.is_file() else {}
    groups = {group: known.get(f"{group.upper()}_CATS_SCANNET_200", ()) for group in ("head", "common", "tail")}
    return entries, {group: [name for name in of if name not in STRUCTURE] for group, of in groups.items() if of}


def _literals(path):
    """Dict name -> value of the constants that a Python file assigns to names. Raises SpaceformerError."""
    try:
        body = ast.parse(read_text(path)).body
    except (SpaceformerError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise SpaceformerError(f"labels {path}: cannot be read: {error}; give scannet or a yaml file") from error
    values = {}
    for line in body:
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
            with contextlib.suppress(ValueError):  # not a constant
                values[line.targets[0].id] = ast.literal_eval(line.value)
    return values
