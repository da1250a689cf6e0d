# SPDX-License-Identifier: Apache-2.0
"""What the columns of tables without names are: those of text files and of arrays of NumPy."""

import numpy as np

UNIT_TOLERANCE = 0.02  # of the length of a normal
OPAQUE = (1, 255, 65535)  # alpha of all points of a file without transparency
CHECKED = 100_000  # rows that are looked at
MIN_ROWS = 10  # from which on a column is a row number, and correlations are compared
MARGIN = 0.2  # between correlations: a label is at least this much less like a colour than a colour is


def table_columns(table):
    """Dict name -> column of a table [N, C], C >= 3, without names.

    A first column that counts the rows is left out. Then 3 columns are x, y, z; 6 are x, y, z and colours, or normals,
    which have length 1 and are left out; 7 are x, y, z, intensity and colours, or colours and alpha or a label,
    but not quaternions; 9 are
    x, y, z, colours and normals, in either order. Others are x, y, z and further columns without a meaning.
    """
    with np.errstate(all="ignore"):  # of astronomic numbers in damaged files
        if table.shape[1] > 3 and _counts_rows(table[:, 0]):
            table = table[:, 1:]
        colors = _colors_at(table)
    xyz, width = dict(zip("xyz", table[:, :3].T)), table.shape[1]
    if colors:
        return {**xyz, "rgb": table[:, colors : colors + 3]}
    return {**xyz, **{f"column {index + 1}": table[:, index] for index in range(3, width)}}


def _colors_at(table):
    """Index of the first of three columns of colours; 0: there are none."""
    width = table.shape[1]
    if width == 6:
        return 0 if _are_normals(table[:, 3:]) else 3
    if width == 7 and _are_normals(table[:, 3:]):  # quaternions of a trajectory
        return 0
    if width == 7:
        return 3 if _ends_with_label(table[:CHECKED, 3:]) else 4
    if width == 9 and _are_normals(table[:, 6:]):
        return 3
    return 6 if width == 9 and _are_normals(table[:, 3:6]) else 0


def _counts_rows(column):
    """Whether a column is 0, 1, 2, ... or 1, 2, 3, ..., as programs write the index of a table."""
    return len(column) >= MIN_ROWS and column[0] in (0, 1) and bool((np.diff(column) == 1).all())


def _ends_with_label(columns):
    """Whether four columns are red, green, blue and alpha or a label; otherwise intensity, red, green and blue.

    The outer two are compared with the inner two, which are colours in both cases.
    """
    columns = columns[np.isfinite(columns).all(axis=1)]
    first, inner, last = columns[:, 0], columns[:, 1:3], columns[:, 3]
    if len(last) > 1 and last[0] in OPAQUE and (last == last[0]).all():
        return True
    like = [_is_like(outer, inner) for outer in (first, last)]
    if like[0] != like[1]:
        return like[0]
    if len(columns) < MIN_ROWS:
        return False
    return abs(_correlation(first, inner[:, 0])) > abs(_correlation(last, inner[:, 1])) + MARGIN


def _is_like(outer, inner):
    """Whether a column can be a colour as two others are: not negative, in the same range, integers if they are."""
    limit = next((limit for limit in (1, 255, 65535) if inner.max(initial=0) <= limit), np.inf)
    whole = (inner == np.rint(inner)).all()
    return bool((outer >= min(0, inner.min(initial=0))).all() and outer.max(initial=0) <= limit) and (
        not whole or bool((outer == np.rint(outer)).all())
    )


def _correlation(first, second):
    """Pearson's coefficient, 0 for a constant column."""
    if first.std() == 0 or second.std() == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _are_normals(columns):
    length = np.linalg.norm(columns[:1000], axis=1)
    return bool((np.abs(length - 1) < UNIT_TOLERANCE).all() and (columns < 0).any())
