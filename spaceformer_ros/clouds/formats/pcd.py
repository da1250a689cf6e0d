# SPDX-License-Identifier: Apache-2.0
"""Read and write PCD, the format of the Point Cloud Library, without further packages.

Format: pointclouds.org/documentation/tutorials/pcd_file_format.html. Headers are read leniently, as PCL and other
writers disagree about what is optional.
"""

from dataclasses import dataclass, replace

import numpy as np

from ... import SpaceformerError
from ..colors import pack_color
from .lzf import decompress
from .text import BOM, check_binary, check_first_row, check_rows, header_lines, parse_numbers, to_records

KEYS = {"VERSION", "FIELDS", "COLUMNS", "SIZE", "TYPE", "COUNT", "WIDTH", "HEIGHT", "VIEWPOINT", "POINTS", "DATA"}
ENCODINGS = ("ascii", "binary", "binary_compressed")
KINDS = {(code, str(size)): f"{kind}{size}" for code, kind in (("I", "i"), ("U", "u")) for size in (1, 2, 4, 8)}
KINDS.update({("F", "4"): "f4", ("F", "8"): "f8"})  # TYPE and SIZE -> numpy type
MAX_HEADER = 1 << 16  # bytes
MAX_POINT = 1 << 16  # bytes of one point
LZF_RATIO = 100  # LZF expands 3 bytes to at most 264


@dataclass(frozen=True)
class Header:
    """A PCD header. fields: rows (name, numpy type, count); points: number of points; encoding: of DATA."""

    fields: tuple
    points: int
    encoding: str

    @property
    def size(self):
        """Bytes of one point."""
        return sum(int(kind[1]) * count for _, kind, count in self.fields)

    @property
    def width(self):
        """Number of values of one point."""
        return sum(count for _, _, count in self.fields)

    @property
    def dtype(self):
        """numpy type of one point as in the file."""
        return np.dtype([(name, kind, (count,)) if count != 1 else (name, kind) for name, kind, count in self.fields])


def read_pcd(path):
    """All fields of an ASCII, binary or compressed PCD."""
    with open(path, "rb") as file:
        header, lines, start = _parse_header(file.read(MAX_HEADER))
        held = path.stat().st_size - start
        file.seek(start)
        header = _resolve_zero_counts(header, held, file)
        if not 0 < header.size <= MAX_POINT:
            raise SpaceformerError(f"the PCD header declares {header.size} bytes per point, expected 1 to {MAX_POINT}")
        if header.encoding == "ascii":
            points = _read_text(file.read(), header, held, lines + 1)
        elif header.encoding == "binary":
            points = _read_binary(file, header, held)
        else:
            points = _read_compressed(file, header, held)
    names = [name for name in points.dtype.names if not name.startswith("_")]  # names that begin with "_" are padding
    return points[names] if len(names) < len(points.dtype.names) else points


def _parse_header(head):
    """Header and its number of lines and of bytes."""
    values = {}
    for number, line, end in header_lines(head, len(BOM) if head.startswith(BOM) else 0):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        key = words[0].upper()
        if key not in KEYS:
            raise SpaceformerError(f"line {number} of the PCD header, {' '.join(words)[:80]!r}, has no known keyword")
        values["FIELDS" if key == "COLUMNS" else key] = words[1:]
        if key == "DATA":
            return _header(values), number, end
    raise SpaceformerError(f"cannot be read as PCD: no line DATA among its first {MAX_HEADER} bytes")


def _header(values):
    missing = [key for key in ("FIELDS", "SIZE", "TYPE") if not values.get(key)]
    if missing:
        raise SpaceformerError(f"the PCD header has no {' and no '.join(missing)}")
    names, counts = values["FIELDS"], values.get("COUNT") or ["1"] * len(values["FIELDS"])
    lengths = {key: len(values[key]) for key in ("FIELDS", "SIZE", "TYPE")} | {"COUNT": len(counts)}
    if len(set(lengths.values())) > 1:
        raise SpaceformerError(f"the PCD header has different numbers of entries: {lengths}")
    kinds = [KINDS.get((code.upper(), size)) for code, size in zip(values["TYPE"], values["SIZE"])]
    if None in kinds:
        at = kinds.index(None)
        raise SpaceformerError(
            f"field {names[at][:40]!r} of the PCD has TYPE {values['TYPE'][at][:8]} and SIZE {values['SIZE'][at][:8]}, "
            "which is not a type of PCD"
        )
    names = [name if name not in names[:i] else f"_{i}" for i, name in enumerate(names)]  # the name "_" may be repeated
    width, height = (_whole(values, key, "1") for key in ("WIDTH", "HEIGHT"))
    points = _whole(values, "POINTS", "") if values.get("POINTS") else width * height
    encoding = " ".join(values["DATA"]).lower()
    if encoding not in ENCODINGS:
        raise SpaceformerError(f"the PCD has DATA {encoding[:40]!r}, expected one of {', '.join(ENCODINGS)}")
    return Header(tuple(zip(names, kinds, (_count(word) for word in counts))), points, encoding)


def _resolve_zero_counts(header, held, file):
    """A header whose fields of COUNT 0 are left out or taken as COUNT 1, whichever fits the size of the data."""
    if all(count for _, _, count in header.fields):
        return header
    one = replace(header, fields=tuple((name, kind, count or 1) for name, kind, count in header.fields))
    if header.encoding == "ascii":
        words = len(file.readline(MAX_HEADER).split())
        file.seek(-held, 2)
        fits = words == one.width
    else:
        fits = header.encoding == "binary" and held == header.points * one.size
    return one if fits else replace(header, fields=tuple(field for field in header.fields if field[2]))


def _whole(values, key, default):
    return _count((values.get(key) or [default])[0], key)


def _count(word, key="COUNT"):
    if not word.isdecimal() or len(word) > 18:
        raise SpaceformerError(f"the PCD header has {key} {word[:40]!r}, expected an integer")
    return int(word)


def _read_binary(file, header, held):
    dtype = header.dtype
    if held < header.points * dtype.itemsize:
        raise SpaceformerError(
            f"holds {held} bytes of points, its header declares {header.points} x {dtype.itemsize}: truncated"
        )
    content = file.read(header.points * dtype.itemsize)
    check_binary(content, file.read())
    return np.frombuffer(content, dtype=dtype)


def _read_compressed(file, header, held):
    """Points of a compressed PCD, which holds one field after the other."""
    dtype = header.dtype
    sizes = file.read(8)
    packed, size = np.frombuffer(sizes, dtype="<u4").tolist() if len(sizes) == 8 else (0, 0)
    needed = header.points * dtype.itemsize
    if packed + 8 > held or size > LZF_RATIO * packed or size < needed:
        raise SpaceformerError(
            f"holds {size} bytes of points, its header declares {header.points} x {dtype.itemsize}: truncated"
        )
    content, position = decompress(file.read(packed), size), 0
    points = np.empty(header.points, dtype=dtype)
    for name in dtype.names:
        kind, shape = dtype[name].base, dtype[name].shape
        values = np.frombuffer(content, kind, header.points * int(np.prod(shape)), position)
        points[name] = values.reshape(header.points, *shape)
        position += header.points * dtype[name].itemsize
    return points


def _read_text(text, header, held, line):
    dtype = header.dtype
    width = header.width
    if held < header.points * (2 * width - 1):
        raise SpaceformerError(
            f"holds {held} bytes of points, its header declares {header.points} rows of {width} values: truncated"
        )
    if header.points:
        check_first_row(text, width)
    try:
        numbers = parse_numbers(text, header.points * width, line if b"\n" in text else None)
    except SpaceformerError as error:
        raise SpaceformerError(f"a point is not a row of numbers: {error}") from error
    check_rows(text, width, header.points, line)
    table = numbers[: len(numbers) // width * width].reshape(-1, width)
    if len(table) < header.points:
        raise SpaceformerError(f"holds {len(table)} points, its header declares {header.points}: truncated")
    return to_records(table, dtype)


def write_pcd(path, cloud, extra):
    """Binary PCD with x, y, z, for coloured clouds rgb, and the extra fields."""
    columns = dict(zip("xyz", cloud.in_frame().T))
    if cloud.colored:
        columns["rgb"] = pack_color(cloud.rgb)
    columns.update({name: np.asarray(column) for name, column in extra.items()})
    columns = {name: column.astype(np.uint8) if column.dtype == bool else column for name, column in columns.items()}
    points = np.empty(len(cloud), dtype=[(name, column.dtype.newbyteorder("<")) for name, column in columns.items()])
    for name, column in columns.items():
        points[name] = column
    kinds = [column.dtype for column in columns.values()]
    header = [
        "# .PCD v0.7 - Point Cloud Data file format",
        "VERSION 0.7",
        f"FIELDS {' '.join(columns)}",
        f"SIZE {' '.join(str(kind.itemsize) for kind in kinds)}",
        f"TYPE {' '.join({'f': 'F', 'i': 'I', 'u': 'U'}[kind.kind] for kind in kinds)}",
        f"COUNT {' '.join('1' for _ in kinds)}",
        f"WIDTH {len(cloud)}",
        "HEIGHT 1",
        "VIEWPOINT 0 0 0 1 0 0 0",
        f"POINTS {len(cloud)}",
        "DATA binary",
    ]
    with open(path, "wb") as file:
        file.write("\n".join([*header, ""]).encode())
        file.write(points.tobytes())
