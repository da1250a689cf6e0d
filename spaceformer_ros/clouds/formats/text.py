# SPDX-License-Identifier: Apache-2.0
"""Parse the numbers of text files, in the spellings of different programs."""

import re
import warnings

import numpy as np

from ... import SpaceformerError

# What C runtimes of Windows print: "-nan(ind)", "1.#QNAN", "-1.#IND", "1.#INF".
ODD_NAN = re.compile(rb"[-+]?(?:nan\([^)\s]*\)|1\.#(?:QNAN|SNAN|IND|INF)\d*)", re.IGNORECASE)


def parse_numbers(text, limit=-1):
    """float64 array of the numbers that are separated by blanks in bytes, at most `limit` of them (-1: all).

    NaN and infinities are read in every spelling, infinities of Windows as NaN. Raises SpaceformerError that names the
    first word that is not a number.
    """
    if b"#" in text or b"(" in text:
        text = ODD_NAN.sub(b"nan", text)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # numpy warns if it stopped before the end
        try:
            numbers = np.fromstring(text, dtype=np.float64, sep=" ") if text.strip() else np.empty(0)
            return numbers[:limit] if limit >= 0 else numbers
        except (DeprecationWarning, ValueError):
            pass
    words = text.split(None, limit)[:limit] if limit >= 0 else text.split()
    try:
        return np.array(words, dtype=np.float64)
    except ValueError:
        wrong = next(word for word in words if not _is_number(word))
        raise SpaceformerError(f"{wrong[:40].decode('latin-1')!r} is not a number") from None


def _is_number(word):
    try:
        float(word)
    except ValueError:
        return False
    return True


def to_records(table, dtype):
    """Structured records of a table of numbers [N, C], one column for each value of `dtype`."""
    points, column = np.empty(len(table), dtype=dtype), 0
    with np.errstate(over="ignore", invalid="ignore"):  # a value may not fit into its field
        for name in dtype.names:
            width = int(np.prod(dtype[name].shape))
            values = table[:, column : column + width]
            points[name] = values if dtype[name].shape else values[:, 0]
            column += width
    return points
