# SPDX-License-Identifier: Apache-2.0
"""Colour words in texts, and the share of an object's points that have each of these colours.

Text models and CLIP-like features distinguish the colours of objects poorly; the colours of the points do it reliably.
Each colour is assigned to the words with the nearest shades in CIE L*a*b*. The words are the eleven basic colour terms
of Berlin and Kay (1969), and beige.
"""

from functools import lru_cache

import numpy as np

# Basic colour word -> typical shades (red, green, blue in 0..255).
SHADES = {
    "black": [(20, 20, 22), (36, 34, 33), (28, 30, 36), (45, 45, 48)],
    "white": [(240, 240, 238), (228, 227, 222), (248, 246, 241), (216, 218, 219)],
    "gray": [(88, 90, 94), (126, 127, 130), (158, 160, 163), (68, 71, 76), (176, 178, 180), (140, 138, 134)],
    "red": [(190, 30, 35), (150, 25, 32), (214, 58, 50), (122, 22, 30), (172, 50, 48)],
    "orange": [(236, 120, 30), (220, 96, 25), (245, 150, 62), (206, 110, 48)],
    "yellow": [(240, 205, 50), (225, 186, 34), (250, 226, 110), (214, 184, 72)],
    "green": [(40, 120, 60), (92, 150, 62), (22, 80, 50), (130, 180, 102), (62, 156, 110), (96, 112, 62)],
    "blue": [(30, 60, 150), (60, 110, 200), (26, 42, 92), (112, 160, 216), (74, 112, 156), (40, 120, 170)],
    "purple": [(100, 50, 140), (140, 92, 180), (76, 40, 96), (120, 70, 120)],
    "pink": [(235, 140, 170), (220, 100, 150), (244, 186, 200), (214, 130, 140)],
    "brown": [(110, 70, 40), (140, 92, 56), (80, 52, 34), (160, 112, 72), (96, 60, 46), (120, 84, 58)],
    "beige": [(220, 200, 165), (206, 182, 146), (232, 215, 186), (196, 174, 138), (212, 186, 150)],
}
COLOR_WORDS = tuple(SHADES)
SYNONYMS = {
    "grey": "gray",
    "violet": "purple",
    "navy": "blue",
    "turquoise": "blue",
    "tan": "beige",
    "cream": "beige",
}
SHADE_ADJECTIVES = ("dark", "light", "bright", "pale", "deep")
FILLERS = (
    "a",
    "an",
    "the",
    "and",
    "or",
    "thing",
    "things",
    "something",
    "object",
    "objects",
    "one",
    "coloured",
    "colored",
)

SOFTNESS = 4.0  # L*a*b* units over which the assignment changes from one word to the next
BLOCK = 1 << 21  # points per step, bounds memory
TABLE_BITS = 5  # per channel of the table from colours to words


def split_color(text):
    """(columns of COLOR_WORDS that a text names, the text without them), such as ((7,), "chair") for "the blue chair".

    The text is unchanged if it names no colour, and empty if it names only colours ("something red").
    """
    words = text.lower().replace(",", " ").split()
    named = [SYNONYMS.get(word, word) for word in words]
    columns = tuple(dict.fromkeys(COLOR_WORDS.index(word) for word in named if word in COLOR_WORDS))
    if not columns:
        return (), text
    rest = [word for word, name in zip(words, named) if name not in COLOR_WORDS and word not in SHADE_ADJECTIVES]
    return columns, "" if all(word in FILLERS for word in rest) else " ".join(
        word for word in rest if word not in FILLERS
    )


def color_shares(rgb, owner, count):
    """Share of the points of each of `count` owners that have each colour word, [count, W] float32; 0 without points.

    rgb: [N, 3] uint8; owner: [N] int row of the owner.
    """
    shares = np.zeros((count, len(COLOR_WORDS)))
    for start in range(0, len(rgb), BLOCK):
        part = slice(start, start + BLOCK)
        weights = _table()[_codes(rgb[part])]
        for word in range(len(COLOR_WORDS)):
            shares[:, word] += np.bincount(owner[part], weights=weights[:, word], minlength=count)
    points = np.maximum(np.bincount(owner, minlength=count), 1)
    return (shares / points[:, None]).astype(np.float32)


def color_word(rgb):
    """The basic colour word nearest to one colour. rgb: three numbers in 0..255."""
    return _SHADE_WORDS[int(((_SHADE_LAB - lab(rgb)) ** 2).sum(axis=1).argmin())]


def lab(rgb):
    """CIE L*a*b* (D65) of sRGB colours. rgb: [..., 3] in 0..255. Returns [..., 3] float64."""
    value = np.asarray(rgb, dtype=np.float64) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratio = linear @ matrix.T / np.array([0.9505, 1.0, 1.089])
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


_SHADE_WORDS = [word for word, shades in SHADES.items() for _ in shades]
_SHADE_LAB = lab([shade for shades in SHADES.values() for shade in shades])


def _codes(rgb):
    """Rows of the table for colours, [N] int64."""
    red, green, blue = (np.asarray(rgb) >> (8 - TABLE_BITS)).astype(np.int64).T
    return (red << 2 * TABLE_BITS) | (green << TABLE_BITS) | blue


@lru_cache(maxsize=1)
def _table():
    """[2^15, W] float32: weight of each word for each quantised colour; rows sum to 1."""
    levels = (np.arange(1 << TABLE_BITS) + 0.5) * (256 >> TABLE_BITS)
    colors = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    distance = np.linalg.norm(lab(colors)[:, None] - _SHADE_LAB, axis=-1)
    starts = np.cumsum([0, *(len(shades) for shades in SHADES.values())])[:-1]
    nearest = np.minimum.reduceat(distance, starts, axis=1)
    weight = np.exp((nearest.min(axis=1, keepdims=True) - nearest) / SOFTNESS)
    return (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)
