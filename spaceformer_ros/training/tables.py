# SPDX-License-Identifier: Apache-2.0
"""What is collected of generated rooms for training: tables of tensors, one file per room, so that it can be stopped
and continued."""

import json
import pathlib

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from .. import SpaceformerError, StorageError
from ..disk.atomic import replace_file, replacing
from ..disk.reading import open_regular_file
from ..disk.text_files import read_text

MAX_BYTES = 1 << 32  # of a table
MADE_WITH = "made_with.json"  # file beside the tables; folders of earlier versions have none


def write_tables(folder, seeds, table_of, made_with):
    """Write FOLDER/SEED.safetensors where the file does not exist yet.

    table_of: function of a seed that returns a namedtuple of tensors; made_with: dict of the settings and other values
    on which the tables depend. Raises SpaceformerError if tables in the folder were made with others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _require_same(folder, made_with)
    for seed in seeds:
        path = folder / f"{seed}.safetensors"
        if not path.is_file():
            table = table_of(seed)
            with replacing(path) as partial:
                save_file(table._asdict(), partial)


def _require_same(folder, made_with):
    path = folder / MADE_WITH
    if not path.is_file():
        replace_file(path, [json.dumps(made_with, indent=1).encode()])
        return
    try:
        before = dict(json.loads(read_text(path)))
    except (ValueError, TypeError) as error:
        raise SpaceformerError(f"{path} is damaged ({error}): delete it, or the folder to collect anew") from error
    pairs = ((name, before.get(name), now) for name, now in made_with.items())
    changed = [f"{name} {old!r}, now it is {now!r}" for name, old, now in pairs if old != now]
    if changed:
        raise SpaceformerError(
            f"{folder} has rooms that were collected with {'; '.join(changed)[:500]}: give another folder, or delete "
            "this one to collect anew"
        )


def read_tables(folder, seeds, kind):
    """The tables of some seeds, joined; kind: their namedtuple. Raises SpaceformerError for damaged ones."""
    paths = [pathlib.Path(folder) / f"{seed}.safetensors" for seed in seeds]
    return kind(*map(torch.cat, zip(*(_read(path, kind) for path in paths), strict=True)))


def _read(path, kind):
    try:
        with open_regular_file(path, MAX_BYTES):
            pass  # the library below waits for a pipe
        table = load_file(path)
        return [table[name] for name in kind._fields]
    except (SafetensorError, StorageError, OSError, KeyError) as error:
        raise SpaceformerError(f"{path} is damaged ({error}): delete it, and it is collected again") from error
