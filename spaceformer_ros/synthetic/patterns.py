# SPDX-License-Identifier: Apache-2.0
"""Procedural patterns: the mix of a paint's two colours at each point, from the point's coordinates.

Each pattern maps coordinates [n, 3] in cycles (metres times the paint's frequency, plus its phase on the axes that it
uses) to a mixing weight [n] in 0..1 and a brightness factor [n]. All are sums of sines or hashed cells.
"""

import numpy as np


def hashed(*columns):
    """[n] float32 pseudo-random values in 0..1, from integer columns [n]."""
    value = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        value = (value * 1000003 + column.astype(np.int64)) * 2654435761 & 0xFFFFFFFF
        value ^= value >> 15
    return (value & 0xFFFF).astype(np.float32) / np.float32(65535)


def _plain(cycles):
    return np.zeros(len(cycles), np.float32), np.ones(len(cycles), np.float32)


def _wood(cycles):
    wave = np.sin(cycles[:, 0] + 1.7 * np.sin(0.31 * cycles[:, 1] + 0.2 * cycles[:, 2]))
    wave += np.sin(0.63 * cycles[:, 1] + cycles[:, 2] + np.sin(0.23 * cycles[:, 0]))
    return np.clip(0.4 + 0.3 * wave, 0, 1), np.ones(len(cycles), np.float32)


def _weave(cycles):
    return 0.5 * hashed(*np.floor(cycles).T), np.ones(len(cycles), np.float32)


def _stripes(cycles):
    position = cycles.sum(axis=1) % 1
    return (position < 0.4).astype(np.float32), np.ones(len(cycles), np.float32)


def _checks(cycles):
    parity = np.floor(cycles).sum(axis=1) % 2
    return parity.astype(np.float32), np.ones(len(cycles), np.float32)


def _dots(cycles):
    cell = np.floor(cycles)
    offset = cycles - cell - 0.5
    reach = 0.2 + 0.3 * hashed(*cell.T)
    return ((offset**2).sum(axis=1) < reach**2).astype(np.float32), np.ones(len(cycles), np.float32)


def _blobs(cycles):
    x, y, z = (6.2832 * cycles).T
    wave = np.sin(x + np.sin(0.7 * y + 1.0)) + np.sin(1.3 * y + np.sin(0.6 * z)) + np.sin(0.9 * z + 0.5 * x)
    return np.clip(0.5 + 1.2 * (wave - 0.45), 0, 1), np.ones(len(cycles), np.float32)


def _speckle(cycles):
    value = hashed(*np.floor(cycles).T)
    return (value > 0.75).astype(np.float32), 0.94 + 0.12 * value


def _tiles(cycles):
    cell = np.floor(cycles)
    inside = cycles - cell
    grout = ((inside < 0.05) & (cycles != 0)).any(axis=1)
    return grout.astype(np.float32), 0.93 + 0.14 * hashed(*cell.T)


def _planks(cycles):
    """Boards along y, each row shifted: x counts boards, y board lengths."""
    row = np.floor(cycles[:, 0])
    along = cycles[:, 1] + hashed(row)
    board = np.floor(along)
    seam = ((cycles[:, 0] - row < 0.06) | (along - board < 0.012)).astype(np.float32)
    grain = 0.12 * np.sin(40 * cycles[:, 0] + 5 * np.sin(3 * along))
    return np.clip(seam * 0.8 + grain + 0.12, 0, 1), 0.84 + 0.32 * hashed(row, board)


def _boards(cycles):
    """Planks along x."""
    return _planks(cycles[:, [1, 0, 2]])


PATTERNS = {
    "plain": _plain,
    "wood": _wood,
    "weave": _weave,
    "stripes": _stripes,
    "checks": _checks,
    "dots": _dots,
    "blobs": _blobs,
    "speckle": _speckle,
    "tiles": _tiles,
    "planks": _planks,
    "boards": _boards,
}
PATTERN_NAMES = tuple(PATTERNS)


def paint_table(paints):
    """Paints as arrays: colours [P, 6], frequencies [P, 3], phases [P], pattern indices [P]."""
    colors = np.array([paint.color + paint.second for paint in paints], dtype=np.float32)
    frequencies = np.array([paint.frequency for paint in paints], dtype=np.float32)
    phases = np.array([paint.phase for paint in paints], dtype=np.float32)
    pattern = np.array([PATTERN_NAMES.index(paint.pattern) for paint in paints])
    return colors, frequencies, phases, pattern


def colorize(paints, paint_index, local):
    """Albedo of points: [N, 3] float32 in 0..255.

    paints: list of Paint; paint_index: [N] int, paint of each point; local(rows) -> [n, 3] metres in the frame of their
    object, called only for points with a pattern.
    """
    colors, frequencies, phases, pattern = paint_table(paints)
    rgb = colors[:, :3][paint_index]
    pattern_of_point = pattern[paint_index]
    for number in np.unique(pattern):
        if number == 0:
            continue
        chosen = np.flatnonzero(pattern_of_point == number)
        paint = paint_index[chosen]
        cycles = local(chosen) * frequencies[paint] + phases[paint][:, None] * (frequencies[paint] > 0)
        weight, brightness = PATTERNS[PATTERN_NAMES[number]](cycles)
        mixed = rgb[chosen] + (colors[paint, 3:] - rgb[chosen]) * weight[:, None]
        rgb[chosen] = np.clip(mixed * brightness[:, None], 0, 255)
    return rgb
