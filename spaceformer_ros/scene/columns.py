# SPDX-License-Identifier: Apache-2.0
"""Columns: fields that are stored as arrays. Type, shape, range and description are declared once.

From a dataclass field made by `saved` follow the field in memory, the array in scene files and the row in
docs/scene_format.md.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np

MAX_COUNT = 2**31 - 1  # of ids, revisions and counts: messages carry 32 bits
MAX_NS = 2**31 * 1_000_000_000  # of times: ROS messages carry 32 bits of seconds
MAX_METRES = 1e7  # of positions: more than the largest coordinates of map projections
MAX_SIZE = 1000.0  # metres of a side of a box
UNLIMITED = (-np.inf, np.inf)


@dataclass(frozen=True)
class Column:
    """An array of a scene file.

    dtype: numpy scalar type
    shape: tuple of sizes; a letter is a size that several arrays share
    text: what it contains
    limits: lowest and highest value
    """

    dtype: type
    shape: tuple
    text: str
    limits: tuple = UNLIMITED


def saved(dtype, text, limits=UNLIMITED, **options):
    """A dataclass field with one number per object that goes into scene files. options: of dataclasses.field."""
    return dataclasses.field(metadata={"column": Column(dtype, ("O",), text, limits)}, **options)


def columns_of(kind):
    """Dict name -> Column of a dataclass."""
    return {item.name: item.metadata["column"] for item in dataclasses.fields(kind) if "column" in item.metadata}


def to_columns(items, kind):
    """Dict name -> [O] array of the saved fields of O objects of a dataclass."""
    return {
        name: np.array([getattr(item, name) for item in items], column.dtype)
        for name, column in columns_of(kind).items()
    }


def from_columns(columns):
    """O dicts name -> number of the columns [O]."""
    names, values = list(columns), (column.tolist() for column in columns.values())
    return [dict(zip(names, row)) for row in zip(*values)]
