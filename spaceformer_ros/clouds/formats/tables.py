# SPDX-License-Identifier: Apache-2.0
"""Read text tables: .xyz and .pts (columns without names) and .csv (columns with names)."""

import numpy as np

from ... import SpaceformerError
from .npz import stack_columns, table_columns
from .text import parse_numbers

SEPARATORS = b",;\t"
MAX_COLUMNS = 100
HEAD = 1 << 16  # bytes that are looked at before the file is read as a whole
UNIT_TOLERANCE = 0.02  # of the length of a normal
FIELD_NAMES = {"//x": "x", "x[m]": "x", "y[m]": "y", "z[m]": "z"}  # of CloudCompare and others


def read_table(path):
    """Records of a text table: x, y, z and colours, if it has them.

    If the first line has names ("X,Y,Z,R,G,B"), these are the fields. Otherwise 3 columns are x, y, z; 6 are x, y, z
    and colours, or normals, which have length 1 and are left out; 7 are x, y, z, intensity and colours.
    """
    with open(path, "rb") as file:
        if b"\0" in file.read(HEAD):
            raise SpaceformerError("is not a text file: it has null characters")
    text = path.read_bytes()
    first, _, rest = text.lstrip(b"\xef\xbb\xbf").partition(b"\n")
    first = _blank_separators(first)
    if len(first.split()) == 1 and rest.strip() and _is_numbers(first):  # .pts begin with the number of points
        first, _, rest = rest.partition(b"\n")
        first = _blank_separators(first)
    named = not _is_numbers(first)
    names = [name.strip("\"'/").lower() for name in first.decode("latin-1").split()] if named else []
    width = len(first.split())
    if not 3 <= width <= MAX_COLUMNS:
        raise SpaceformerError(f"has {width} columns, expected x, y, z and optionally r, g, b")
    numbers = parse_numbers(_blank_separators(rest if named else first + b"\n" + rest))
    if not len(numbers) or len(numbers) % width:
        raise SpaceformerError(f"has {len(numbers)} numbers, which are not rows of {width}")
    table = numbers.reshape(-1, width)
    return stack_columns(dict(zip(names, table.T)) if named else _unnamed(table))


def _blank_separators(text):
    return text.translate(bytes.maketrans(SEPARATORS + b"\r", b"    "))


def _is_numbers(line):
    try:
        return len(parse_numbers(line)) > 0
    except SpaceformerError:
        return False


def _unnamed(table):
    if table.shape[1] == 7:  # x, y, z, intensity, red, green, blue
        return {**table_columns(table[:, :3]), "intensity": table[:, 3], "rgb": table[:, 4:]}
    if table.shape[1] == 6:
        length = np.linalg.norm(table[:1000, 3:], axis=1)
        if (np.abs(length - 1) < UNIT_TOLERANCE).all() and (table[:, 3:] < 0).any():
            return table_columns(table[:, :3])
        return table_columns(table)
    return table_columns(table[:, :3])
