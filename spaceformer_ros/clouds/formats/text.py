# SPDX-License-Identifier: Apache-2.0
"""Parse the numbers of text files, in the spellings of different programs."""

import re
import warnings

import numpy as np

from ... import SpaceformerError
from ..origin import MAX_LOCAL

BLANK, NEW_LINE = ord(" "), ord("\n")
BOM = b"\xef\xbb\xbf"  # byte-order mark of UTF-8

TEXT_BYTES = b"0123456789+-.,eEnaifNAIF \t\r\n"  # of tables of numbers
TEXT_SAMPLE = 64  # bytes; in binary points, that many bytes are never all TEXT_BYTES

# What C runtimes of Windows print: "-nan(ind)", "1.#QNAN", "-1.#IND", "1.#INF".
ODD_NAN = re.compile(rb"[-+]?(?:nan\([^)\s]*\)|1\.#(?:QNAN|SNAN|IND|INF)\d*)", re.IGNORECASE)


def parse_numbers(text, limit=-1, line=None):
    """float64 array of the numbers that are separated by blanks in bytes, at most `limit` of them (-1: all).

    NaN and infinities are read in every spelling, infinities of Windows as NaN. Raises SpaceformerError that names the
    first word that is not a number, and its line if `line`, the number of the first one, is given.
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
        where = f"line {line + _lines_before(text, wrong)}: " if line is not None else ""
        raise SpaceformerError(f"{where}{wrong[:40].decode('latin-1')!r} is not a number") from None


def _lines_before(text, word):
    """Number of line ends before the first occurrence of a word in bytes."""
    position = re.search(rb"(?<!\S)" + re.escape(word) + rb"(?!\S)", text).start()
    return text.count(b"\n", 0, position)


def header_lines(head, position=0):
    """Number, text and end of the lines of a header, which end with LF, CR LF or CR, as the first one does."""
    feed, carriage = head.find(b"\n", position), head.find(b"\r", position)
    ending = b"\r" if carriage >= 0 and (feed < 0 or carriage + 1 < feed) else b"\n"
    number = 0
    while (end := head.find(ending, position)) >= 0:
        number += 1
        yield number, head[position:end].decode("latin-1").strip(), end + 1
        position = end + 1


def words_per_line(text):
    """[L] int64: the number of words of each line of bytes, without a last line that no line feed ends."""
    codes = np.frombuffer(text, np.uint8)
    is_word = codes > BLANK
    starts = np.flatnonzero(is_word & ~np.concatenate([[False], is_word[:-1]]))
    return np.diff(np.searchsorted(starts, np.flatnonzero(codes == NEW_LINE)), prepend=0)


def check_rows(text, width, count, line):
    """Refuse text in which one of the first `count` rows of `width` values does not end with a line: all would be
    shifted. Lines may be blank and hold several rows. line: number of the first line."""
    words = words_per_line(text)
    total = np.cumsum(words)
    wrong = np.flatnonzero((total % width != 0) & (total - words < count * width))
    if len(wrong):
        first = wrong[0]
        raise SpaceformerError(f"line {line + first} has {words[first]} values, the header declares {width}")


def check_first_row(text, width):
    """Refuse text whose first row does not have the `width` values that its header declares: all would be shifted."""
    words = len(text.lstrip().partition(b"\n")[0].split())
    if words % width:
        raise SpaceformerError(f"the first row has {words} values, the header declares {width}")


def check_binary(content, rest):
    """Refuse binary points that are text, or that a transfer in text mode has changed: both give wrong coordinates.

    content: bytes that the header declares; rest: the bytes after them, up to the end of the file.
    """
    if len(content) >= TEXT_SAMPLE and not content[:TEXT_SAMPLE].strip(TEXT_BYTES):
        raise SpaceformerError("its header declares binary points, but they are text: declare them as ascii")
    ends = (content.count(b"\r\n") + rest.count(b"\r\n")) if rest else 0
    if ends and ends == len(rest) == content.count(b"\n") + rest.count(b"\n"):
        raise SpaceformerError(
            "is damaged: each line feed of its binary points was changed to CR LF; copy it again, in binary mode "
            "(in git: `*.ply binary` in .gitattributes)"
        )


def _is_number(word):
    try:
        float(word)
    except ValueError:
        return False
    return True


def to_records(table, dtype):
    """Structured records of a table of numbers [N, C], one column for each value of `dtype`.

    Columns whose values do not fit their declared type stay float64: text holds more than some headers say.
    """
    columns, start = {}, 0
    for name in dtype.names:
        width = int(np.prod(dtype[name].shape))
        values = table[:, start : start + width]
        columns[name] = (values if dtype[name].shape else values[:, 0]).astype(_fitting_type(values, dtype[name].base))
        start += width
    points = np.empty(len(table), dtype=[(name, col.dtype, col.shape[1:]) for name, col in columns.items()])
    for name, column in columns.items():
        points[name] = column
    return points


def _fitting_type(values, kind):
    """`kind`, or float64 for values that are not integers of its range, or too large to be exact in float32."""
    if kind.kind == "f":
        return kind if kind.itemsize == 8 or not (np.abs(values) > MAX_LOCAL).any() else np.dtype(np.float64)
    limits = np.iinfo(kind)
    fits = (values >= limits.min) & (values <= limits.max) & (values == np.floor(values))
    return kind if fits.all() else np.dtype(np.float64)
