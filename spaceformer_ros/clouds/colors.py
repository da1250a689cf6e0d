# SPDX-License-Identifier: Apache-2.0
"""Colours of point records in all common encodings of files and messages, converted to 8 bits per channel.

The encoding is chosen for the cloud as a whole, never per channel. If the values are ambiguous, a remark says which
encoding was assumed.
"""

import re

import numpy as np

from .. import SpaceformerError

PACKED = ("rgb", "rgba", "color", "colors", "colour", "colours", "point_colors", "vertex_colors")  # best first
CHANNELS = (("r", "g", "b"), ("red", "green", "blue"), ("rf", "gf", "bf"))  # rf: CloudCompare, as floats
PREFIXES = ("", "diffuse_", "scalar_", "color_", "colour_", "color", "vertex_")  # MeshLab, CloudCompare, E57 and others
TRIPLES = tuple(tuple(prefix + name for name in names) for prefix in PREFIXES for names in CHANNELS)  # best first
OTHER_WORD, OTHER_LETTER = r"(.*){}(.*)", r"(.*_){}(|_.*)"  # of other prefixes and suffixes of names of channels
SPLATS = ("f_dc_0", "f_dc_1", "f_dc_2")  # Gaussian splats: spherical harmonics of degree 0
SH_C0 = 0.28209479177387814  # 1 / (2 sqrt(pi)), the constant of degree 0
BITS_32 = 1 << 32
LOST = 0x7FC00000  # bits of NaN in text: PCL writes colours with alpha 255 as "nan"
ROUNDED, MIN_ROUNDED = 10, 20  # if that many different packed numbers are all multiples of it, their digits were cut
BIT_DEPTHS = (8, 10, 12, 16)  # of integer channels; sensors write 10 and 12 bits into 16
MAX_OVERSHOOT = 2.0  # colours with a lower maximum are in 0..1: read as 0..255, the whole cloud would be black
MAX_STRAYS = 0.001  # share of values above a range that do not make the whole cloud be read in a larger one
PERCENT = (95, 100)  # range of the maximum of colours that may be percentages
MIN_SIGNED = 0.01  # share of negative values from which on a range is signed: -1..1, as networks are trained with, or
SIGNED_BYTES = -128, 127  # of integers, as C prints the bytes of a `char`


def read_colors(points):
    """Colours of structured records [N]: (rgb [N, 3] uint8, remarks), or (None, remarks) if no field contains colour.

    Encodings, in order of preference: one field of packed 32 bits 0x__RRGGBB (as bits of any type, or as a number) or
    of 3 or 4 channels; three fields of integers (8 to 16 bit) or floats (-1..1, 0..1, 0..255 or more); Gaussian splats.
    One that is the same for all points gives way to one that is not. Names are case-insensitive unless two fields
    differ in case only. Raises SpaceformerError for unknown encodings.
    """
    names = _lower_case_names(points.dtype.names)
    first = None
    for sources in _sources(points, names):
        rgb, remarks = _read(points, sources)
        if first is None:
            first = sources, rgb, remarks
        if rgb is not None and (rgb != rgb[:1]).any():
            unused = () if sources == first[0] else (f"colours from {_join(sources)}: {_join(first[0])} is uniform",)
            return rgb, (*remarks, *unused)
    return (None, ()) if first is None else first[1:]


def _sources(points, names):
    """The fields that contain colour, best first: tuples of one name or of three. names: see `_lower_case_names`."""
    for name in PACKED:
        if name in names and _has_colors(name, points[names[name]]):
            yield (names[name],)
    yield from _triples(names)


def _triples(names):
    """The three fields that contain colour together, best first. names: see `_lower_case_names`."""
    for triple in (*TRIPLES, *_other_triples(names), SPLATS):
        if all(name in names for name in triple):
            yield tuple(names[name] for name in triple)


def _has_colors(name, column):
    """Whether a field with one of the names of PACKED contains colour: `color` may be an index of a palette."""
    if name.startswith("rgb") or (column.ndim == 2 and column.shape[1] in (3, 4)):
        return True
    is_packed = column.ndim == 1 and column.dtype.kind in "ui" and column.dtype.itemsize == 4
    return is_packed and bool((column.astype(np.int64) & 0xFFFF0000).any())


def _other_triples(names):
    """Names that differ in one part only, which is the name of a channel, such as "ambient_red" or "rgb_r"."""
    for channels in CHANNELS:
        pattern = OTHER_WORD if len(channels[0]) > 2 else OTHER_LETTER
        for name in names:
            if found := re.fullmatch(pattern.format(channels[0]), name, re.DOTALL):
                yield tuple(found[1] + channel + found[2] for channel in channels)


def _read(points, sources):
    columns = [points[name] for name in sources]
    if sources[0].lower() == SPLATS[0]:
        return _read_splats(columns)
    if len(columns) == 1 and columns[0].ndim == 2 and columns[0].shape[1] in (3, 4):
        return _scale_channels(sources[0], columns[0][:, :3])
    if len(columns) == 1:
        return _unpack(sources[0], columns[0])
    for name, column in zip(sources, columns):
        _check_numbers(name, column, 1)
    return _scale_channels(_join(sources), np.column_stack(columns))


def _join(names):
    return ", ".join(names)


def _read_splats(columns):
    with np.errstate(over="ignore", invalid="ignore"):
        harmonics = np.column_stack(columns).astype(np.float32)
    harmonics = np.nan_to_num(harmonics, posinf=0.0, neginf=0.0)
    return _to_bytes(0.5 + SH_C0 * harmonics, 255.0), ("colours from the spherical harmonics of Gaussian splats",)


def have_color(names):
    """Whether fields with these names contain colour."""
    lower = _lower_case_names(names)
    return any(name in lower for name in PACKED) or any(_triples(lower))


def pack_color(rgb):
    """[N, 3] uint8 -> [N] float32 whose bits are 0x00RRGGBB, as PCL and RViz read it. Alpha 0 keeps it finite."""
    rgb = rgb.astype(np.uint32)
    return (rgb[:, 0] << 16 | rgb[:, 1] << 8 | rgb[:, 2]).view(np.float32)


def _lower_case_names(names):
    """Dict of lower-case name -> name; an exact name wins, and names that differ in case only are left out."""
    lower = {}
    for name in names:
        lower.setdefault(name.lower(), []).append(name)
    found = {key: same[0] for key, same in lower.items() if len(same) == 1}
    return {**found, **{name: name for name in names if name == name.lower()}}


def _check_numbers(name, column, ndim):
    if column.dtype.kind not in "buif" or column.ndim != ndim:
        raise SpaceformerError(f"field {name!r} holds {column.dtype}, expected one number per point and channel")


def _unpack(name, column):
    """(uint8 [N, 3], remarks) of a packed field [N]: bits of 32-bit types, and numbers 0xRRGGBB in any type."""
    if column.ndim != 1 or column.dtype.kind not in "uif" or column.dtype.itemsize < 4:
        raise SpaceformerError(f"field {name!r} holds {column.dtype}, expected 32 bits per point, or 3 or 4 channels")
    remarks = ()
    if column.dtype.kind == "f":
        packed, remarks = _packed_floats(name, column)
    elif column.dtype.itemsize == 4:
        packed = np.ascontiguousarray(column).view(column.dtype.byteorder + "u4")
    else:
        packed = column.astype(np.int64) & 0xFFFFFFFF
    if _ends_with_alpha(packed):
        packed, remarks = packed >> 8, (*remarks, f"{name}: packed colours were read as red, green, blue, alpha")
    rgb = np.column_stack([(packed >> shift) & 0xFF for shift in (16, 8, 0)]).astype(np.uint8)
    lost = packed == LOST if column.dtype.kind == "f" else np.zeros(len(column), dtype=bool)
    rgb[lost] = 0
    return None if lost.any() and lost.all() else rgb, (*remarks, *_lost_remarks(name, lost))


def _ends_with_alpha(packed):
    """Whether packed colours [N] are 0xRRGGBBAA: the last byte is 255 everywhere, and the first one is not the same."""
    return len(packed) > 0 and bool((packed & 0xFF == 0xFF).all() and (packed >> 24 != packed[0] >> 24).any())


def _lost_remarks(name, lost):
    """Remarks on colours that are NaN. lost: [N] bool."""
    count = np.count_nonzero(lost)
    return (f"{name}: {count} of {len(lost)} colours are NaN, read as black: the writer lost them",) if count else ()


def _packed_floats(name, column):
    """([N] integers 0xAARRGGBB, remarks) of packed colours in floats.

    These are their bits, as in PCL, or the numbers themselves if all finite ones are integers.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        finite = np.isfinite(column)
        whole = (column >= 0) & (column < BITS_32) & (column == np.floor(column))
        if (whole | ~finite).all() and (whole & (column >= 1)).any():  # as bits, they would have an alpha of 63 to 79
            numbers = np.where(finite, column, LOST).astype(np.int64)
            return numbers, _digit_remarks(name, numbers[finite])
        return column.astype(np.float32).view(np.uint32), ()


def _digit_remarks(name, numbers):
    """Remarks on packed numbers that were written as text with too few digits, such as 4.2108e+06."""
    large = numbers[numbers >= 1 << 16]
    if (large % ROUNDED == 0).all() and len(np.unique(large)) >= MIN_ROUNDED:
        return (f"{name}: the packed colours were written with too few digits, blue and green are not exact",)
    return ()


def _scale_channels(name, channels):
    """Three channels [N, 3] of one type as (uint8 [N, 3], remarks). name: of the fields, for messages.

    The range is the smallest that holds all values but a few stray ones.
    """
    _check_numbers(name, channels, 2)
    kind, size, lost = channels.dtype.kind, channels.dtype.itemsize, ()
    if kind == "b":
        return channels.astype(np.uint8) * 255, ()
    if kind == "i" and size == 2 and np.count_nonzero(channels < SIGNED_BYTES[0]) > MIN_SIGNED * channels.size:
        return _scale_channels(name, channels.view(channels.dtype.byteorder + "u2"))  # declared as signed
    if kind in "ui" and size == 1:
        return channels.view(np.uint8), ()  # some writers declare bytes as signed
    if kind == "f":
        lost = _lost_remarks(name, np.isnan(channels).all(axis=1))
        if np.isnan(channels).all():
            return None, lost
        channels = np.nan_to_num(channels, posinf=0.0, neginf=0.0)
        if _is_below(channels, MAX_OVERSHOOT):
            rgb, remarks = _read_unit(name, channels)
            return rgb, (*lost, *remarks)
    if _are_signed_bytes(channels):
        low, high = channels.min(), channels.max()
        remark = f"{name}: colours from {low:.0f} to {high:.0f} were read as bytes with a sign"
        return (channels % 256).astype(np.uint8), (*lost, remark)
    for bits in BIT_DEPTHS:
        if _is_below(channels, 1 << bits):
            scaled = channels if bits == 8 else np.floor(channels / (1 << bits - 8))
            return _to_bytes(scaled, 1.0), (*lost, *_bit_remarks(name, channels, bits))
    raise SpaceformerError(f"{name}: colours up to {channels.max():.6g}; expected 0 to 1, 0 to 255 or 0 to 65535")


def _is_below(channels, limit):
    """Whether all values but a few stray ones are below a limit."""
    return np.count_nonzero(channels >= limit) <= MAX_STRAYS * channels.size


def _are_signed_bytes(channels):
    low, high = SIGNED_BYTES
    return np.count_nonzero(channels < 0) > MIN_SIGNED * channels.size and bool(
        ((channels >= low) & (channels <= high) & (channels == np.rint(channels))).all()
    )


def _read_unit(name, channels):
    """Floats [N, 3] of 0..1 or -1..1 as (uint8 [N, 3], remarks)."""
    if np.count_nonzero(channels < -0.1) > MIN_SIGNED * channels.size:
        low = channels.min()
        return _to_bytes((channels + 1) / 2, 255.0), (f"{name}: colours from {low:.3g} on were read as -1 to 1",)
    top, remarks = channels.max(initial=0), ()
    if top > 1:
        remarks = (f"{name}: colours up to {top:.3g} were read as 0 to 1, larger ones as 1",)
    elif top == 1 and (channels == np.rint(channels)).all():
        remarks = (f"{name}: colours that are all 0 or 1 were read as 0 to 1, not as 0 to 255",)
    return _to_bytes(channels, 255.0), remarks


def _bit_remarks(name, channels, bits):
    top, is_wide = channels.max(), channels.dtype == np.uint16
    if PERCENT[0] <= top <= PERCENT[1]:
        return (f"{name}: colours up to {top:.6g} were read as 0 to 255; if they are percentages, scale them by 2.55",)
    if bits == 8 and top < 256:
        return (f"{name}: 16-bit colours up to {top:.0f} were read as 8 bit",) if is_wide else ()
    larger = ", larger ones as white" if top >= 1 << bits else ""
    return (f"{name}: colours up to {top:.6g} were read as {bits} bit{larger}",)


def _to_bytes(channels, scale):
    with np.errstate(over="ignore"):
        return np.clip(np.rint(channels * scale), 0, 255).astype(np.uint8)
