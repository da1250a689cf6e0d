# SPDX-License-Identifier: Apache-2.0
"""Colours of objects and points."""

import colorsys
import functools
import hashlib

import numpy as np

UNLABELED = (0.35, 0.35, 0.35)  # r, g, b in [0, 1] of points outside all shown objects


def stable_color(name):
    """An r, g, b in [0, 1] that depends on the name alone, on every machine and in every run."""
    digest = hashlib.sha256(name.encode()).digest()
    return colorsys.hsv_to_rgb(digest[0] / 256, 0.55 + digest[1] / 640, 0.75 + digest[2] / 1024)


def shade(colors, rgb):
    """[N, 3] uint8: `colors` (r, g, b in [0, 1]), darkened by the brightness of `rgb` [N, 3] uint8."""
    brightness = rgb.mean(axis=1, keepdims=True) / 255
    return np.rint(255 * colors * (0.55 + 0.45 * brightness)).astype(np.uint8)


def shaded_gray(rgb):
    """[N, 3] uint8: gray for points outside all shown objects, shaded by their own colours `rgb` [N, 3] uint8."""
    return shade(np.array([UNLABELED]), rgb)


def heat_colors(values):
    """[N, 3] uint8 of values [N] in [0, 1] in matplotlib's colour map "plasma"; other values get those of the ends."""
    return _plasma()[np.rint(255 * np.clip(values, 0, 1)).astype(np.int64)]


@functools.cache
def _plasma():
    import matplotlib  # here: most users of this module need no colour map

    return np.rint(255 * matplotlib.colormaps["plasma"](np.arange(256))[:, :3]).astype(np.uint8)
