# SPDX-License-Identifier: Apache-2.0
"""Read text tables: .xyz and .pts (columns without names) and .csv (columns with names)."""

import io
import re

import numpy as np

from ... import SpaceformerError
from ..colors import PACKED, TRIPLES
from .npz import stack_columns
from .text import BOM, parse_numbers, words_per_line
from .unnamed import table_columns

SEPARATORS = (b";", b",", b"\t", b"|")  # best first
MAX_COLUMNS = 100
HEAD = 1 << 16  # bytes that are looked at before the file is read as a whole
UNIT_OF_NAME = re.compile(r"(?:\s*[\[(]\w+[\])]|_m)$")  # "X [m]", "x_m"; other units are for input_scale to convert
PARAVIEW = re.compile(r"(points|rgb|colors?)[:_]([012])$")  # "Points:0", "RGB_2"
MARKS = (b"#", b"//", b"%")  # comments begin with one of them
COMMENT = re.compile(rb"(?<!\S)(?:#|//|%)[^\n]*")
EXCEL = b"sep="  # spreadsheets write the separator into the first line
USED = {*"xyz", *PACKED, *(name for triple in TRIPLES for name in triple)}  # names of columns that are needed


def read_table(path):
    """Records of a text table: x, y, z and colours, if it has them. Comments (MARKS) are skipped.

    If the first line has names ("X,Y,Z,R,G,B"), these are the fields; otherwise see `table_columns`. With semicolons,
    or if all words are separated by blanks or tabs, commas are decimal points. A number of points may stand before or
    after the names. Named columns that are not needed may have blank cells and words. Raises SpaceformerError, with the
    number of the line.
    """
    with open(path, "rb") as file:
        if b"\0" in file.read(HEAD):
            raise SpaceformerError("is not a text file: it has null characters (UTF-16? save it as UTF-8)")
    text = path.read_bytes().removeprefix(BOM).replace(b'"', b"")
    if b"\n" not in text:
        text = text.replace(b"\r", b"\n")
    number, first, rest, declared = _skip_head(text)
    separator = next((separator for separator in SEPARATORS if separator in first), b"")
    named = not _is_numbers(_blank(COMMENT.sub(b"", first), separator == b";"))
    if named and _is_count(line := rest.partition(b"\n")[0].strip()):  # as CloudCompare writes it
        declared, rest, number = int(line), rest.partition(b"\n")[2], number + 1
    row = rest.lstrip().partition(b"\n")[0] if named else first
    decimal = separator == b";" or _has_decimal_commas(COMMENT.sub(b"", row))
    names = _names(first, separator) if named else []
    width = len(names) if named else len(_blank(COMMENT.sub(b"", first), decimal).split())
    if not 3 <= width <= MAX_COLUMNS:
        raise SpaceformerError(f"line {number} has {width} columns, expected x, y, z and optionally r, g, b")
    body = rest if named else first + b"\n" + rest
    if any(mark in body for mark in MARKS):
        body = COMMENT.sub(b"", body)
    if decimal:
        body = body.replace(b",", b".")
    names, table = _parse(body, names, width, separator, number + named)
    if declared is not None and declared > len(table):
        raise SpaceformerError(f"declares {declared} points and holds {len(table)}: truncated")
    return stack_columns(dict(zip(names, table.T)) if named else table_columns(table))


def _parse(body, names, width, separator, number):
    """(Names, table) of a body whose first line is the line `number` of the file. names: empty if there are none."""
    try:
        return names, _parse_body(_blank(body), width, number)
    except SpaceformerError:
        used = [index for index, name in enumerate(names) if name in USED]
        if not separator or len(used) < 3 or not body.strip():
            raise
        _check_cells(body, width, separator, number)
        try:  # slower, but leaves out columns of words and of blank cells
            lines, delimiter = io.BytesIO(body), separator.decode()
            table = np.loadtxt(lines, delimiter=delimiter, usecols=used, ndmin=2, encoding="latin-1")
        except ValueError:
            table = np.empty(0)
        if len(table):
            return [names[index] for index in used], table
        raise


def _check_cells(body, width, separator, number):
    """Refuse rows with another number of cells than the first line, whose values would be those of other columns."""
    for index, line in enumerate(body.split(b"\n")):
        line = line.strip(b" \r")
        cells = line.count(separator) + (not line.endswith(separator))
        if line and width not in (cells, line.count(separator) + 1):
            raise SpaceformerError(f"line {number + index} has {cells} cells, expected {width}")


def _skip_head(text):
    """Number and text of the first line of the table, the text after it, and the number of points that .pts begin with
    (None: not given)."""
    number, rest, declared = 0, text, None
    while True:
        number += 1
        first, found, rest = rest.partition(b"\n")
        line = first.strip()
        has_names = set("xyz") <= set(_names(line, b"," if b"," in line else b""))
        is_comment = line.lower().startswith((*MARKS, EXCEL)) and not has_names
        if found and declared is None and _is_count(line):
            declared = int(line)
        elif not found or (line and not is_comment):
            return number, line, rest, declared


def _names(line, separator):
    """Names of columns in lower case, without quotes, units and the marks of a comment."""
    words = line.decode("latin-1").strip("#/% \t\r")
    words = words.rstrip(separator.decode()).split(separator.decode()) if separator else words.split()
    names = [_axis_or_name(UNIT_OF_NAME.sub("", word.strip("\"'/ \r")).lower()) for word in words]
    twice = next((name for name in names if name in USED and names.count(name) > 1), None)
    if twice:
        raise SpaceformerError(f"the column {twice!r} is there twice: give each column another name")
    return [name if name and name not in names[:index] else f"_{index}" for index, name in enumerate(names)]


def _axis_or_name(name):
    """x, y, z, r, g or b for the names that ParaView gives them; other names as they are."""
    found = PARAVIEW.match(name)
    return ("xyz" if found[1] == "points" else "rgb")[int(found[2])] if found else name


def _is_count(line):
    """Whether a line is a number of points only."""
    return line.isdigit() and len(line) < 18


def _has_decimal_commas(row):
    """Whether the commas of a row are decimal points: its words are separated by blanks or tabs, none has two."""
    words = row.split()
    parts = [word.split(b",") for word in words]
    return len(words) >= 3 and max(map(len, parts)) == 2 and all(all(part) for part in parts)


def _blank(text, decimal=False):
    """Text with blanks instead of separators. decimal: its commas are decimal points, and not separators."""
    return text.translate(bytes.maketrans(b";,\r\t|", b" .   " if decimal else b"     "))


def _is_numbers(line):
    try:
        return len(parse_numbers(line)) > 0
    except SpaceformerError:
        return False


def _parse_body(text, width, number):
    """Table [N, width] of a text whose first line is the line `number` of the file."""
    numbers = parse_numbers(text, line=number)
    if not len(numbers):
        raise SpaceformerError("has no points")
    words = words_per_line(text + b"\n")
    wrong = np.flatnonzero((words != 0) & (words != width))
    if len(wrong):
        raise SpaceformerError(f"line {number + wrong[0]} has {words[wrong[0]]} numbers, expected {width}")
    return numbers.reshape(-1, width)
