# SPDX-License-Identifier: Apache-2.0
"""Named colours, and paints: a colour, a pattern in metres, and the loss of depth on shiny surfaces.

A colour word is that of the nearest shade in CIE L*a*b* (`color_words`), so that captions and colours always agree.
"""

from dataclasses import dataclass, replace

import numpy as np

from ..words.color_words import COLOR_WORDS, SHADES, color_word

# Colour words of each palette; a repeated word is more likely.
PALETTES = {
    "any": COLOR_WORDS,
    "vivid": ("red", "orange", "yellow", "green", "blue", "purple", "pink"),
    "goods": ("white", "white", "white", "gray", "gray", "black", "beige", "red", "blue"),
    "dark": ("black", "black", "gray", "blue", "brown"),
    "neutral": ("white", "gray", "black", "beige", "brown"),
    "pale": ("white", "white", "white", "beige", "beige", "gray", "blue", "green", "pink"),
    "plaster": ("white", "white", "white", "beige", "gray"),
    "steel": ("gray", "gray", "gray", "black", "white"),
    "leaf": ("green",),
    "white": ("white",),
    "hide": ("brown", "brown", "black", "black", "white", "beige", "red", "gray", "green", "blue"),
    "red": ("red",),
    "orange": ("orange", "orange", "orange", "yellow"),
    "metal": ("gray", "gray", "black", "white", "blue", "red", "green", "yellow"),
    "textile": (*COLOR_WORDS, "blue", "gray"),
}
WOODS = [
    (216, 182, 134), (202, 160, 110), (182, 138, 88), (150, 102, 60), (128, 84, 50), (98, 66, 44), (140, 74, 48),
    (112, 54, 36), (60, 44, 36), (226, 206, 172), (170, 150, 128), (196, 148, 102),
]  # fmt: skip


@dataclass(frozen=True)
class Paint:
    """The surface of a part.

    color, second: (r, g, b) in 0..255;
    pattern: a name of `patterns.PATTERNS`, which mixes the two colours;
    frequency: cycles per metre along the object's x, y and z (0 ignores an axis);
    phase: shifts the pattern, cycles;
    share: share of the area that has the second colour;
    gloss: 0..1, share of the depth measurements that are lost;
    content: True for the contents of furniture (books, a screen's picture), which do not decide its colour word.
    """

    color: tuple
    second: tuple = (0, 0, 0)
    pattern: str = "plain"
    frequency: tuple = (0.0, 0.0, 0.0)
    phase: float = 0.0
    share: float = 0.0
    gloss: float = 0.0
    content: bool = False

    def shaded(self, factor):
        """The same paint, darker (factor < 1) or lighter."""
        return replace(self, color=_scaled(self.color, factor), second=_scaled(self.second, factor))

    def as_content(self):
        """The same paint as `content`, which does not decide the object's colour word."""
        return replace(self, content=True)


def _scaled(color, factor):
    return tuple(float(min(255.0, max(0.0, value * factor))) for value in color)


def draw_shade(rng, word, spread=7.0):
    """A random shade (r, g, b) whose colour word is `word`; spread: standard deviation in 0..255."""
    shades = SHADES[word]
    shade = shades[int(rng.integers(len(shades)))]
    tint = rng.normal(0, spread) + rng.normal(0, spread * 0.4, 3)  # mostly lighter or darker, a little in hue
    jittered = tuple(np.clip(np.asarray(shade) + tint, 4, 252).tolist())
    return jittered if color_word(jittered) == word else tuple(float(v) for v in shade)


def draw_color(rng, palette="any"):
    """A colour (r, g, b) from a named palette."""
    words = PALETTES[palette]
    return draw_shade(rng, words[int(rng.integers(len(words)))])


def draw_pastel(rng):
    """A colour of walls: white, gray or beige, or some colour with much white in it."""
    if rng.random() < 0.55:
        return draw_color(rng, "plaster")
    white = float(rng.uniform(0.35, 0.85))
    return tuple(value + (240 - value) * white for value in draw_color(rng, "any"))


def plain(color, gloss=0.0, content=False):
    """A paint of one colour."""
    return Paint(tuple(float(v) for v in color), gloss=gloss, content=content)


def wood(rng, color=None):
    """Wood with a grain along a random axis; any wood from pine to ebony, or stained in `color`."""
    if color is None:
        color = np.clip(np.asarray(WOODS[int(rng.integers(len(WOODS)))]) + rng.normal(0, 6, 3), 15, 245)
    frequency = [rng.uniform(25, 45)] * 3
    frequency[int(rng.integers(3))] = rng.uniform(1, 3)  # the grain runs along this axis
    color = tuple(float(v) for v in color)
    return Paint(color, _scaled(color, rng.uniform(0.62, 0.82)), "wood", tuple(frequency), rng.uniform(0, 50), 0.0)


def metal(rng, palette="steel"):
    """Metal, bare or painted; some of its depth is lost."""
    return plain(draw_color(rng, palette), gloss=rng.uniform(0.05, 0.3))


# Patterns of cloth and their likelihood, size of one repeat in metres, and part of the area in the second colour.
_CLOTH = (
    ("plain", 0.52, (0.1, 0.1), 0.0),
    ("weave", 0.3, (0.02, 0.05), 0.0),
    ("stripes", 0.07, (0.06, 0.3), 0.4),
    ("checks", 0.05, (0.08, 0.3), 0.5),
    ("dots", 0.04, (0.08, 0.2), 0.25),
    ("blobs", 0.02, (0.2, 0.5), 0.35),
)


def cloth(rng, palette="textile"):
    """Fabric: mostly plain or woven, sometimes striped, checked or with a floral print."""
    index = int(rng.choice(len(_CLOTH), p=[row[1] for row in _CLOTH]))
    pattern, _, (low, high), share = _CLOTH[index]
    color = draw_color(rng, palette)
    second = _scaled(color, rng.uniform(0.7, 0.9)) if share == 0 else draw_color(rng, palette)
    frequency = [1 / rng.uniform(low, high)] * 3
    if pattern == "stripes":
        keep = int(rng.integers(3))
        frequency = [value if axis == keep else 0.0 for axis, value in enumerate(frequency)]
    return Paint(color, second, pattern, tuple(frequency), rng.uniform(0, 50), share)


def _leather(rng, _palette):
    return plain(draw_color(rng, "hide"), gloss=0.05)


def _stone(rng, _palette):
    frequency = (45.0, 45.0, 45.0)
    return Paint(draw_color(rng, "neutral"), draw_color(rng, "neutral"), "speckle", frequency, rng.uniform(0, 50), 0.25)


def _wicker(rng, _palette):
    color = draw_shade(rng, "beige" if rng.random() < 0.5 else "brown")
    return Paint(color, (90, 62, 40), "checks", (25.0, 25.0, 25.0), 0.0, 0.3)


# Material word -> function(rng, palette) that draws a Paint of this material.
FINISHES = {
    "wooden": lambda rng, palette: wood(rng, draw_color(rng, palette) if rng.random() < 0.22 else None),
    "metal": lambda rng, palette: metal(rng, palette if palette != "any" else "metal"),
    "plastic": lambda rng, palette: plain(draw_color(rng, palette), gloss=0.03),
    "fabric": lambda rng, palette: cloth(rng, "textile" if palette == "any" else palette),
    "leather": _leather,
    "ceramic": lambda rng, palette: plain(draw_color(rng, palette), gloss=0.12),
    "glass": lambda rng, palette: plain(draw_color(rng, palette), gloss=0.5),
    "paper": lambda rng, palette: plain(draw_color(rng, palette)),
    "cardboard": lambda rng, palette: plain(draw_shade(rng, "brown" if rng.random() < 0.6 else "beige")),
    "stone": _stone,
    "leafy": lambda rng, palette: plain(draw_color(rng, palette)),
    "rubber": lambda rng, palette: plain(draw_color(rng, palette)),
    "wicker": _wicker,
}


@dataclass(frozen=True)
class Look:
    """The paints of one object: `main` decides the colour word, `second` is an accent, `trim` for legs and handles."""

    material: str
    main: Paint
    second: Paint
    trim: Paint


def draw_look(rng, materials, palette):
    """A look in one of `materials`, coloured from a named palette."""
    material = materials[int(rng.integers(len(materials)))]
    main = FINISHES[material](rng, palette)
    second = FINISHES[material](rng, palette) if rng.random() < 0.5 else main.shaded(rng.uniform(0.55, 0.85))
    trims = (plain(main.color).shaded(0.8), wood(rng), metal(rng), plain(draw_shade(rng, "black")))
    return Look(material, main, second, trims[int(rng.integers(len(trims)))])


def recolored(rng, look, palette):
    """The same look with another main colour."""
    main = FINISHES[look.material](rng, palette)
    return replace(look, main=main, second=main.shaded(0.7) if look.second.pattern == "plain" else look.second)
