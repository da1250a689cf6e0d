# SPDX-License-Identifier: Apache-2.0
"""What is collected of generated rooms for training: tables of tensors, one file per room, so that it can be stopped
and continued."""

import pathlib

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from .. import SpaceformerError
from ..disk.atomic import replacing


def write_tables(folder, seeds, table_of):
    """Write FOLDER/SEED.safetensors where the file does not exist yet. table_of: function of a seed that returns a
    namedtuple of tensors."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        path = folder / f"{seed}.safetensors"
        if not path.is_file():
            table = table_of(seed)
            with replacing(path) as partial:
                save_file(table._asdict(), partial)


def read_tables(folder, kind):
    """All tables of a folder, joined; kind: their namedtuple. Raises SpaceformerError without any and for damaged
    ones."""
    files = sorted(pathlib.Path(folder).glob("*.safetensors"))
    if not files:
        raise SpaceformerError(f"{folder} has no collected rooms (SEED.safetensors): set rooms to more than 0")
    return kind(*map(torch.cat, zip(*(_read(path, kind) for path in files), strict=True)))


def _read(path, kind):
    try:
        table = load_file(path)
        return [table[name] for name in kind._fields]
    except (SafetensorError, OSError, KeyError) as error:
        raise SpaceformerError(f"{path} is damaged ({error}): delete it, and it is collected again") from error
