# SPDX-License-Identifier: Apache-2.0
"""Coordinates of point records: which fields contain them, and which points are part of the map."""

import numpy as np

from .. import SpaceformerError

MAX_NAMES, MAX_NAME = 20, 40  # field names in a message, and characters of each
MIN_FAR = 50.0  # metres from the median; closer points are never outliers. One point at 200 m spoils a room's result
FAR_EXTENTS = 3.0  # outliers are further away than this many extents of the middle 92 % of the points
STRAYS = 0.04  # share of the points that may be strays on one side
BYTE_ORDER_SAMPLE = 10_000  # points of which the byte order is checked
SAMPLE = 1_000_000  # maximum number of points used for quantiles
COARSE, TOO_COARSE = 0.002, 0.02  # metres between float32 coordinates: with a remark, and refused
MIN_DOUBLES = 50  # from which on their resolution is judged
MIN_EMPTY, MIN_EMPTY_SHARE = 10, 0.001  # if more points than this are exactly (0, 0, 0), they are missing measurements


def read_coordinates(points):
    """[N, 3] float32 or float64 metres of structured records [N]: fields x, y, z (or X, Y, Z), or xyz with 3 values.

    Signed integers become float64. Raises SpaceformerError if there are none, if they have other types, or if they
    share bytes.
    """
    fields = points.dtype.fields or {}
    mixed = [name if name in fields else name.upper() for name in "xyz"]  # some writers capitalise some of them
    for names in ("xyz", "XYZ", mixed):
        if all(name in fields for name in names):
            if len({fields[name][1] for name in names}) < 3:
                raise SpaceformerError(
                    f"fields {', '.join(names)} have the same offset in a point: give each a separate offset"
                )
            return np.column_stack([_floats(name, points[name], 1) for name in names])
        if names is not mixed and names in fields and points[names].ndim == 2 and points[names].shape[1] == 3:
            return _floats(names, points[names], 2)
    missing = ", ".join(axis for axis in "xyz" if axis not in fields)
    raise SpaceformerError(
        f"the cloud has no field {missing} (fields: {list_names(fields)}): call the coordinates x, y, z"
    )


def in_plausible_order(points):
    """(structured records [N], remarks): in the other byte order if their coordinates are floats that, as declared, are
    mostly astronomic or next to nothing, and are not so in the other one."""
    if _is_other_order(points):
        points = points.view(points.dtype.newbyteorder())
        return points, ("the coordinates are in the other byte order than is declared: read so",)
    return points, ()


def _is_other_order(points):
    fields = [(name, points.dtype[name]) for name in points.dtype.names if name.lower() in ("x", "y", "z", "xyz")]
    if not fields or any(kind.base.kind != "f" for _, kind in fields):
        return False
    sample = points[:: 1 + len(points) // BYTE_ORDER_SAMPLE]
    shares = np.zeros(2)
    for name, _ in fields:
        shares += _plausible_share(sample[name]), _plausible_share(sample[name].view(sample[name].dtype.newbyteorder()))
    declared, other = shares / len(fields)
    return declared < 0.5 and other > 0.9


def _plausible_share(values):
    """Share of the finite values that are 0 or of a size that coordinates have."""
    with np.errstate(invalid="ignore"):
        values = np.abs(values[np.isfinite(values)].astype(np.float64))
        return np.mean((values == 0) | ((values > 1e-6) & (values < 1e8))) if len(values) else 0.0


def list_names(names):
    """Names for a message: at most MAX_NAMES of them, and at most MAX_NAME characters of each."""
    names = list(names)
    shown = [name if name.isprintable() else ascii(name) for name in (name[:MAX_NAME] for name in names[:MAX_NAMES])]
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return (", ".join(shown) or "none") + more


def _floats(name, column, ndim):
    if column.ndim != ndim or column.dtype.kind not in "fi":
        raise SpaceformerError(f"field {name!r} holds {column.dtype}, expected one float or signed integer per point")
    if column.dtype.kind != "f":
        return column.astype(np.float64)
    if column.dtype.itemsize not in (4, 8) or not column.dtype.isnative:
        return column.astype(np.float64 if column.dtype.itemsize == 8 else np.float32)
    return column


def check_resolution(xyz, low, high, scale=1.0):
    """Remarks on coordinates that have the resolution of float32 so far from zero that they are coarse.

    float64 has it, too, where all values of an axis are float32 numbers: programs write text with six digits, and E57
    in single precision.

    xyz: [N, 3] as they were stored; low, high: their bounds, [3] metres; scale: metres per unit of xyz.
    Raises SpaceformerError where they are too coarse for the network.
    """
    reach = np.abs((low, high)).max(axis=0)
    steps = np.spacing((reach / scale).astype(np.float32)).astype(np.float64) * scale
    for axis in np.argsort(-steps):
        if steps[axis] > COARSE and _is_float32(xyz[:, axis]):
            return _too_coarse("xyz"[axis], xyz.dtype, steps[axis], reach[axis])
    return ()


def _is_float32(column):
    """Whether all values are float32 numbers; of few doubles that could be chance."""
    return column.dtype == np.float32 or (
        len(column) >= MIN_DOUBLES and column.min() < column.max() and bool((column.astype(np.float32) == column).all())
    )


def _too_coarse(axis, dtype, step, reach):
    written = "are float32" if dtype == np.float32 else "were written with the digits of float32 or fewer"
    text = (
        f"x, y, z {written}, whose values are {step:.2g} m apart at {reach:.6g} m from the origin of the frame (axis "
        f"{axis}): use float64 and all digits, or a frame with a closer origin"
    )
    if step > TOO_COARSE:
        raise SpaceformerError(text)
    return (text,)


def usable_points(xyz):
    """The points that are part of the map, and remarks about others that are finite.

    Points are left out if a coordinate is not finite; if they are exactly (0, 0, 0) and there are many of these, which
    sensors write for missing measurements; and if they are far outliers, which would make the map too large.

    xyz: [N, 3] metres. Returns (mask [N] bool, remarks).
    """
    with np.errstate(invalid="ignore"):
        usable, remarks = (np.abs(xyz) <= np.finfo(np.float32).max).all(axis=1), []  # NaN and infinity are not
    huge = np.isfinite(xyz).all(axis=1) & ~usable if xyz.dtype == np.float64 else np.zeros(len(xyz), dtype=bool)
    empty = usable & (xyz == 0).all(axis=1)
    count = np.count_nonzero(empty)
    if count > max(MIN_EMPTY, MIN_EMPTY_SHARE * len(xyz)) and count < np.count_nonzero(usable):
        usable &= ~empty
        remarks.append(f"left out {count} points at exactly (0, 0, 0), which sensors write for missing measurements")
    far = _far_outliers(xyz, usable) | huge
    count = np.count_nonzero(far)
    if count:
        usable &= ~far
        remarks.append(f"left out far outliers: {count} of {len(xyz)} points, {_reach(xyz, usable, far):.3g} m away")
    return usable, tuple(remarks)


def _reach(xyz, usable, far):
    """Largest distance along an axis, in metres, of far points from the median of the usable ones."""
    near = xyz[usable]
    middle = np.median(near[:: max(1, len(near) // SAMPLE)].astype(np.float64), axis=0) if len(near) else np.zeros(3)
    with np.errstate(over="ignore"):
        return float(np.abs(xyz[far].astype(np.float64) - middle).max())


def _far_outliers(xyz, usable):
    """[N] bool: points further from the median than MIN_FAR and FAR_EXTENTS times the extent of the middle 92 %."""
    far = np.zeros(len(xyz), dtype=bool)
    limits = {"where": usable, "initial": 0.0}
    if all(
        float(column.max(**limits)) - float(column.min(**limits)) < MIN_FAR for column in xyz.T
    ):  # the usual case: no outliers
        return far
    rows = np.flatnonzero(usable)
    sample = xyz[rows[:: max(1, len(rows) // SAMPLE)]].astype(np.float64)
    low, middle, high = np.quantile(sample, (STRAYS, 0.5, 1 - STRAYS), axis=0)
    reach = np.maximum(MIN_FAR, FAR_EXTENTS * (high - low).max())
    with np.errstate(over="ignore", invalid="ignore"):
        for column, center in zip(xyz.T, middle):  # one by one: numpy is slow along short rows
            far |= ~(np.abs(column - center) <= reach)
    return far & usable
