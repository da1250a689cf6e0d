# SPDX-License-Identifier: Apache-2.0
"""Colours of point records in all common encodings of files and messages, converted to 8 bits per channel.

The encoding is chosen for the cloud as a whole, never per channel. If the values are ambiguous, a remark says which
encoding was assumed.
"""

import numpy as np

from .. import SpaceformerError

PACKED = ("rgb", "rgba", "color", "colors", "colour", "colours")  # one field with all channels, best first
TRIPLES = (
    ("r", "g", "b"),
    ("red", "green", "blue"),
    ("diffuse_red", "diffuse_green", "diffuse_blue"),  # MeshLab
    ("scalar_red", "scalar_green", "scalar_blue"),  # CloudCompare
    ("scalar_r", "scalar_g", "scalar_b"),
)
SPLATS = ("f_dc_0", "f_dc_1", "f_dc_2")  # Gaussian splats: spherical harmonics of degree 0
SH_C0 = 0.28209479177387814  # 1 / (2 sqrt(pi)), the constant of degree 0
BYTES_24 = 1 << 24
MAX_OVERSHOOT = 2.0  # colours with a lower maximum are in 0..1: read as 0..255, the whole cloud would be black


def read_colors(points):
    """Colours of structured records [N]: (rgb [N, 3] uint8, remarks), or (None, ()) if no field contains colour.

    Encodings, in order of preference: one field of packed 32 bits 0x__RRGGBB (as bits of any type, or as a number) or
    of 3 or 4 channels; three fields of integers (8 or 16 bit) or floats (0..1, 0..255 or 0..65535); Gaussian splats.
    Names are case-insensitive unless two fields differ in case only. Raises SpaceformerError for unknown encodings.
    """
    names = _lower_case_names(points.dtype.names)
    for name in PACKED:
        if name in names:
            column = points[names[name]]
            if column.ndim == 2 and column.shape[1] in (3, 4):
                return _scale_channels(names[name], column[:, :3])
            if name.startswith("rgb"):
                return _unpack(names[name], column), ()
    for triple in TRIPLES:
        if all(name in names for name in triple):
            columns = [points[names[name]] for name in triple]
            for name, column in zip(triple, columns):
                _check_numbers(names[name], column, 1)
            return _scale_channels(", ".join(names[name] for name in triple), np.column_stack(columns))
    if all(name in names for name in SPLATS):
        with np.errstate(over="ignore", invalid="ignore"):
            harmonics = np.column_stack([points[names[name]] for name in SPLATS]).astype(np.float32)
        harmonics = np.nan_to_num(harmonics, posinf=0.0, neginf=0.0)
        return _to_bytes(0.5 + SH_C0 * harmonics, 255.0), ("colours from the spherical harmonics of Gaussian splats",)
    return None, ()


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
    """Channels of a packed field [N] as uint8 [N, 3]: bits of 32-bit types, and numbers 0xRRGGBB in any type."""
    if column.ndim != 1 or column.dtype.kind not in "uif" or column.dtype.itemsize < 4:
        raise SpaceformerError(f"field {name!r} holds {column.dtype}, expected 32 bits per point, or 3 or 4 channels")
    if column.dtype.kind == "f":
        packed = _packed_floats(column)
    elif column.dtype.itemsize == 4:
        packed = np.ascontiguousarray(column).view(column.dtype.byteorder + "u4")
    else:
        packed = column.astype(np.int64) & 0xFFFFFFFF
    return np.column_stack([(packed >> shift) & 0xFF for shift in (16, 8, 0)]).astype(np.uint8)


def _packed_floats(column):
    """Packed colours in floats: their bits, as in PCL, or the numbers themselves if all are integers."""
    with np.errstate(over="ignore", invalid="ignore"):
        whole = (column >= 0) & (column < BYTES_24) & (column == np.floor(column))
        if whole.all() and (column >= 1).any():  # read as bits, such numbers would have an alpha of 63 to 75
            return column.astype(np.uint32)
        return column.astype(np.float32).view(np.uint32)


def _scale_channels(name, channels):
    """Three channels [N, 3] of one type as (uint8 [N, 3], remarks). name: of the fields, for messages."""
    _check_numbers(name, channels, 2)
    kind, size = channels.dtype.kind, channels.dtype.itemsize
    if kind == "b":
        return channels.astype(np.uint8) * 255, ()
    if kind in "ui" and size == 1:
        return channels.view(np.uint8), ()  # some writers declare bytes as signed
    if kind == "f":
        channels = np.nan_to_num(channels, posinf=0.0, neginf=0.0)
    top = float(channels.max(initial=0))
    if kind == "f" and top < MAX_OVERSHOOT:
        return _to_bytes(channels, 255.0), _unit_remarks(name, channels, top)
    if top < 256:
        remark = (f"{name}: 16-bit colours up to {top:.0f} were read as 8 bit",) if channels.dtype == np.uint16 else ()
        return _to_bytes(channels, 1.0), remark
    if top < 65536:
        return _to_bytes(np.floor(channels / 256), 1.0), (f"{name}: colours up to {top:.0f} were read as 16 bit",)
    raise SpaceformerError(f"{name}: colours up to {top:.6g}; expected 0 to 1, 0 to 255 or 0 to 65535")


def _unit_remarks(name, channels, top):
    if top > 1:
        return (f"{name}: colours up to {top:.2f} were read as 0 to 1, larger ones as 1",)
    if top == 1 and (channels == np.rint(channels)).all():
        return (f"{name}: colours that are all 0 or 1 were read as 0 to 1, not as 0 to 255",)
    return ()


def _to_bytes(channels, scale):
    with np.errstate(over="ignore"):
        return np.clip(np.rint(channels * scale), 0, 255).astype(np.uint8)
