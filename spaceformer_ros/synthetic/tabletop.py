# SPDX-License-Identifier: Apache-2.0
"""Clutter: small things on furniture, from a table of typical combinations."""

from .placement import make_thing
from .things.parts import chance, pick

# fmt: off
# Kinds of things on each kind of furniture; repeated kinds are more likely.
ON_TOP = {
    "table": ("cup", "bottle", "bowl", "vase", "book", "laptop", "plant", "bowl", "cup"),
    "desk": ("book", "cup", "book", "bottle", "plant", "laptop", "box"),
    "conference table": ("laptop", "cup", "bottle", "book", "laptop"),
    "coffee table": ("book", "cup", "vase", "bowl", "plant", "bottle"),
    "side table": ("table lamp", "book", "cup", "vase", "plant"),
    "nightstand": ("table lamp", "book", "clock", "cup", "bottle", "vase"),
    "dresser": ("vase", "table lamp", "book", "plant", "box", "picture", "teddy bear"),
    "cabinet": ("vase", "plant", "book", "speaker", "printer", "box", "table lamp", "bowl", "microwave"),
    "filing cabinet": ("plant", "box", "book", "printer"),
    "bookshelf": ("box", "vase", "plant", "teddy bear"),
    "shelf": ("box", "box", "basket", "bottle"),
    "wardrobe": ("box", "suitcase", "basket"),
    "kitchen counter": (
        "kettle", "toaster", "microwave", "coffee machine", "coffee machine", "bottle", "bowl", "cup", "plant",
    ),
    "refrigerator": ("box", "bowl", "basket"),
    "washing machine": ("basket", "bottle", "box"),
    "tv stand": ("speaker", "vase", "plant", "book"),
    "workbench": ("toolbox", "bottle", "box", "cup", "bucket", "fan"),
    "medical cart": ("bottle", "box", "bowl", "laptop"),
    "piano": ("vase", "book", "picture", "plant"),
    "bed": ("pillow", "teddy bear", "backpack", "book", "laptop", "suitcase"),
    "sofa": ("pillow", "pillow", "teddy bear", "backpack", "book"),
    "armchair": ("pillow", "pillow", "backpack", "teddy bear"),
    "bench": ("pillow", "backpack", "box", "towel"),
    "chair": ("backpack", "book", "pillow", "teddy bear"),
    "microwave": ("bowl", "box"),
    "toolbox": ("bottle", "box"),
    "locker": ("box", "suitcase"),
}
_ANY_SMALL = (
    "kettle", "toaster", "coffee machine", "microwave", "clock", "laptop", "keyboard", "monitor", "fan", "table lamp",
    "vase", "bottle", "cup", "bowl", "book", "teddy bear", "ball", "toolbox", "pillow", "plant", "speaker", "shoes",
    "box",
)
# Maximum number of things on a piece of furniture, 2 for the others; and the probability of each, 0.5 for the others.
_MAX_COUNT = {
    "table": 4, "desk": 5, "kitchen counter": 7, "workbench": 5, "conference table": 5, "shelf": 3, "cabinet": 3,
}
_PROBABILITY = {
    "chair": 0.06, "bed": 0.35, "wardrobe": 0.25, "sofa": 0.4, "armchair": 0.2, "refrigerator": 0.25, "locker": 0.3,
}
# fmt: on


def clutter_on_tops(site, rng, density):
    """Place small things on all furniture of a room that has a top."""
    for anchor in list(site.own):
        kinds = ON_TOP.get(anchor.kind)
        if not kinds or not anchor.shape.tops:
            continue
        for _ in range(_MAX_COUNT.get(anchor.kind, 2)):
            if chance(rng, min(0.95, _PROBABILITY.get(anchor.kind, 0.5) * density)):
                _place_on(site, rng, anchor, _ANY_SMALL if chance(rng, 0.15) else kinds)


def _place_on(site, rng, anchor, kinds):
    """Place a thing of one of `kinds` on an anchor."""
    kind = pick(rng, kinds)
    site.on_top(rng, make_thing(rng, kind, **({"small": True} if kind == "plant" else {})), anchor)
