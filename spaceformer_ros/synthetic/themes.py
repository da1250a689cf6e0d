# SPDX-License-Identifier: Apache-2.0
"""Themes: the furniture of each type of room; and `furnish`, which fills a room by its theme."""

from dataclasses import dataclass

from .. import SpaceformerError
from . import arrangements as group
from . import utility_rooms
from .groups import hang
from .placement import Site, make_thing
from .tabletop import clutter_on_tops
from .things.parts import between, chance, pick


@dataclass(frozen=True)
class Theme:
    """The furniture of one type of room.

    steps: (arrangement, probability) pairs, see `arrangements` and `utility_rooms`
    along: kinds of furniture with their back to a wall
    corners: kinds in corners
    hung: kinds on walls
    loose: kinds of small things on the floor
    floors, walls: finishes, names in `structure.FLOORS` and `structure.WALLS`

    Repeated kinds are more likely.
    """

    steps: tuple
    along: tuple = ()
    corners: tuple = ()
    hung: tuple = ()
    loose: tuple = ()
    floors: tuple = ("planks", "planks", "carpet", "tiles")
    walls: tuple = ("paint", "paint", "paint", "paper", "panel")


# fmt: off
THEMES = {
    "living room": Theme(
        ((group.sofa_group, 1.0), (group.dining_set, 0.45), (group.reading_corner, 0.5), (group.music_corner, 0.35)),
        ("bookshelf", "cabinet", "dresser", "bookshelf", "tv stand", "side table"),
        ("plant", "floor lamp", "speaker", "fan", "plant", "coat rack"),
        ("picture", "picture", "clock", "mirror", "wall shelf", "picture", "air conditioner"),
        ("pillow", "ball", "teddy bear", "basket", "book", "shoes", "ottoman", "backpack", "vacuum cleaner"),
    ),
    "dining room": Theme(
        ((group.dining_set, 1.0), (group.dining_set, 0.15), (group.reading_corner, 0.3)),
        ("cabinet", "cabinet", "dresser", "bookshelf", "bench", "refrigerator"),
        ("plant", "floor lamp", "plant", "water dispenser"),
        ("picture", "picture", "clock", "mirror", "wall shelf"),
        ("shoes", "box", "basket", "bottle", "ball"),
    ),
    "bedroom": Theme(
        ((group.bed_group, 1.0), (group.desk_set, 0.4), (group.reading_corner, 0.35), (group.music_corner, 0.12)),
        ("wardrobe", "dresser", "wardrobe", "bookshelf", "shoe rack", "crib", "cabinet"),
        ("floor lamp", "plant", "coat rack", "fan", "basket"),
        ("picture", "mirror", "clock", "picture", "wall shelf", "air conditioner"),
        ("shoes", "pillow", "suitcase", "backpack", "teddy bear", "book", "basket", "ironing board", "vacuum cleaner"),
        ("planks", "planks", "carpet", "carpet"),
    ),
    "children's room": Theme(
        ((group.bed_group, 0.7), (group.desk_set, 0.5)),
        ("crib", "dresser", "bookshelf", "wardrobe", "shoe rack", "shelf"),
        ("plant", "floor lamp", "basket"),
        ("picture", "picture", "clock", "wall shelf"),
        ("teddy bear", "ball", "ball", "teddy bear", "box", "pillow", "book", "shoes", "backpack", "basket", "stool"),
        ("planks", "carpet", "carpet"),
    ),
    "kitchen": Theme(
        ((utility_rooms.kitchen_line, 1.0), (group.dining_set, 0.7)),
        ("cabinet", "refrigerator", "shelf", "washing machine"),
        ("plant", "trash can", "bucket", "water dispenser"),
        ("clock", "picture", "wall shelf", "towel"),
        ("trash can", "bottle", "box", "basket", "bucket", "stool"),
        ("tiles", "tiles", "planks", "plain"),
        ("paint", "tiles", "half tiles", "paint"),
    ),
    "bathroom": Theme(
        ((utility_rooms.bath_set, 1.0),),
        ("washing machine", "cabinet", "shelf", "sink"),
        ("basket", "trash can", "plant"),
        ("towel", "mirror", "picture", "towel", "wall shelf"),
        ("bucket", "basket", "bottle", "trash can", "stool", "shoes"),
        ("tiles", "tiles", "plain"),
        ("tiles", "half tiles", "paint"),
    ),
    "office": Theme(
        ((group.desk_set, 1.0), (group.desk_block, 0.45), (group.desk_set, 0.6), (group.desk_set, 0.3)),
        ("filing cabinet", "bookshelf", "cabinet", "printer", "locker", "shelf", "filing cabinet"),
        ("plant", "coat rack", "water dispenser", "fan", "floor lamp"),
        ("whiteboard", "clock", "picture", "picture", "fire extinguisher", "air conditioner"),
        ("trash can", "box", "backpack", "suitcase", "computer", "trash can", "box"),
        ("carpet", "carpet", "plain", "planks"),
        ("paint", "paint", "panel"),
    ),
    "meeting room": Theme(
        ((group.meeting_set, 1.0), (group.waiting_row, 0.2)),
        ("cabinet", "cabinet", "bookshelf", "speaker"),
        ("plant", "coat rack", "water dispenser"),
        ("whiteboard", "picture", "clock", "picture"),
        ("trash can", "backpack", "box", "suitcase"),
        ("carpet", "carpet", "planks", "plain"),
        ("paint", "paint", "panel"),
    ),
    "hospital room": Theme(
        ((utility_rooms.ward, 1.0), (group.waiting_row, 0.25)),
        ("medical cart", "cabinet", "sink", "wheelchair", "locker", "medical cart"),
        ("iv stand", "trash can", "plant", "medical cart", "fan"),
        ("clock", "picture", "whiteboard", "air conditioner", "television"),
        ("wheelchair", "stool", "trash can", "bucket", "shoes"),
        ("plain", "tiles", "plain"),
        ("paint", "two tone", "half tiles"),
    ),
    "corridor": Theme(
        ((group.waiting_row, 0.8), (group.waiting_row, 0.4)),
        ("locker", "bench", "shoe rack", "cabinet", "wheelchair", "water dispenser", "bookshelf", "bicycle"),
        ("plant", "coat rack", "trash can", "water dispenser"),
        ("fire extinguisher", "picture", "clock", "mirror", "whiteboard"),
        ("shoes", "box", "suitcase", "trash can", "traffic cone", "bucket", "shopping cart"),
        ("tiles", "plain", "carpet", "planks"),
        ("paint", "two tone", "panel"),
    ),
    "workshop": Theme(
        ((utility_rooms.bench_line, 1.0), (utility_rooms.bench_line, 0.5), (utility_rooms.box_pile, 0.6)),
        ("shelf", "locker", "ladder", "toolbox", "bicycle", "shelf", "cabinet", "barrel"),
        ("barrel", "hand truck", "ladder", "trash can", "barrel", "fan"),
        ("fire extinguisher", "clock", "wall shelf", "whiteboard"),
        ("toolbox", "box", "traffic cone", "barrel", "bucket", "box", "hand truck", "stool", "ladder"),
        ("plain", "plain", "tiles"),
        ("paint", "two tone", "brick", "brick"),
    ),
    "store room": Theme(
        ((utility_rooms.box_pile, 1.0), (utility_rooms.box_pile, 0.6)),
        ("shelf", "shelf", "shelf", "locker", "ladder", "washing machine", "shopping cart", "bicycle"),
        ("barrel", "hand truck", "ladder", "shopping cart", "vacuum cleaner"),
        ("fire extinguisher", "clock"),
        ("box", "box", "suitcase", "shopping cart", "traffic cone", "bucket", "vacuum cleaner", "ironing board",
         "barrel"),
        ("plain", "plain", "tiles"),
        ("paint", "brick", "two tone"),
    ),
    "laundry room": Theme(
        (),
        ("washing machine", "washing machine", "shelf", "sink", "ironing board", "cabinet", "dishwasher"),
        ("basket", "vacuum cleaner", "trash can", "bucket"),
        ("towel", "clock", "wall shelf"),
        ("basket", "bucket", "ironing board", "vacuum cleaner", "basket", "shoes"),
        ("tiles", "plain"),
        ("paint", "half tiles", "tiles"),
    ),
}
# Any furniture in any combination, so that a network does not learn a kind from the things around it.
_MIXED = (
    "chair", "office chair", "armchair", "sofa", "stool", "bench", "ottoman", "wheelchair", "table", "coffee table",
    "side table", "desk", "nightstand", "dresser", "cabinet", "filing cabinet", "bookshelf", "shelf", "tv stand",
    "refrigerator", "stove", "washing machine", "toilet", "piano", "guitar", "workbench", "medical cart", "bed",
    "hospital bed", "crib", "wardrobe", "piano", "sofa", "armchair", "locker", "kitchen counter", "bathtub",
    "dishwasher", "printer", "speaker",
)
_ANYTHING = (
    "trash can", "box", "backpack", "suitcase", "ball", "teddy bear", "bucket", "toolbox", "barrel", "traffic cone",
    "hand truck", "shopping cart", "bicycle", "iv stand", "ladder", "fan", "floor lamp", "plant", "coat rack", "basket",
    "vacuum cleaner", "ironing board", "water dispenser", "fire extinguisher", "pillow", "shoes", "book", "chair",
    "guitar", "stool", "computer", "keyboard", "bottle", "vase",
)
_HUNG = (
    "picture", "mirror", "clock", "whiteboard", "wall shelf", "towel", "air conditioner", "fire extinguisher",
    "kitchen cabinet",
)
THEMES["mixed"] = Theme(
    ((group.dining_set, 0.3), (group.desk_set, 0.3), (group.waiting_row, 0.2), (group.sofa_group, 0.2),
     (utility_rooms.box_pile, 0.2)),
    _MIXED,
    ("plant", "floor lamp", "coat rack", "barrel", "water dispenser", "speaker"),
    _HUNG,
    _ANYTHING,
    ("planks", "tiles", "carpet", "plain"),
    ("paint", "paper", "panel", "tiles", "brick", "two tone", "half tiles"),
)
THEME_NAMES = tuple(THEMES)
# Relative frequency of themes if the config has none; 0.8 for the others.
_WEIGHTS = {
    "living room": 2.6, "office": 1.6, "mixed": 4.0, "bedroom": 1.9, "kitchen": 1.7, "dining room": 1.1,
    "bathroom": 1.2,
}

# Range of the lower edge of things on walls, metres above the floor; (1.15, 1.6) for the others.
_HEIGHTS = {
    "clock": (1.6, 2.1),
    "whiteboard": (0.8, 1.1),
    "mirror": (0.7, 1.3),
    "towel": (0.7, 1.2),
    "wall shelf": (1.1, 1.6),
    "air conditioner": (1.9, 2.4),
    "fire extinguisher": (0.3, 1.0),
    "kitchen cabinet": (1.35, 1.6),
    "television": (1.2, 1.7),
}
# Metres of floor to keep free in front of furniture; 0.3 for the others.
_FRONT = {
    "wardrobe": 0.5, "cabinet": 0.35, "dresser": 0.4, "bookshelf": 0.4, "washing machine": 0.5, "refrigerator": 0.6,
}
# fmt: on
_ALONG_WALLS = ("bicycle", "ladder")  # always placed with their long side at a wall


def draw_theme(rng, name=None):
    """The name of a theme: the given one, or one drawn by weight. Raises SpaceformerError for unknown names."""
    if name is not None:
        if name not in THEMES:
            raise SpaceformerError(f"RoomConfig: theme is {name!r}, expected None or one of {', '.join(THEMES)}")
        return name
    weights = [_WEIGHTS.get(theme, 0.8) for theme in THEME_NAMES]
    total = sum(weights)
    return THEME_NAMES[int(rng.choice(len(THEME_NAMES), p=[weight / total for weight in weights]))]


def furnish(rng, plan, things, config, openings):
    """Fill one room with the things of its theme, large ones first. Returns the Site.

    plan: FloorPlan; things: list that new things are appended to; openings: function(site) that adds doors and windows.
    """
    theme, density = THEMES[plan.theme], config.density
    site = Site(plan, things)
    openings(site)
    for step, probability in theme.steps:
        if chance(rng, min(1.0, probability * min(density, 1.6))):
            step(site, rng)
    scale = density * (plan.area / 20) ** 0.7
    _repeat(rng, 5.0 * scale, lambda: _along_wall(site, rng, pick(rng, theme.along)))
    _repeat(rng, 2.2 * scale, lambda: site.in_corner(rng, make_thing(rng, pick(rng, theme.corners))))
    _repeat(rng, 4.5 * scale, lambda: _hang(site, rng, pick(rng, theme.hung)))
    _repeat(rng, 0.6 * scale, lambda: site.anywhere(rng, make_thing(rng, "rug"), light=True))
    _repeat(rng, 3.2 * scale, lambda: _scatter(site, rng, pick(rng, theme.loose)))
    _repeat(rng, 1.0 * scale, lambda: _scatter(site, rng, pick(rng, _ANYTHING)))
    if density > 0:
        _ceiling_lamps(site, rng)
        clutter_on_tops(site, rng, density)
    return site


def _repeat(rng, mean, action):
    for _ in range(int(rng.poisson(mean)) if mean > 0 else 0):
        action()


def _along_wall(site, rng, kind):
    """Furniture at a wall; some kinds with a copy beside it, with a probability of 0.35."""
    thing = make_thing(rng, kind)
    if not site.against_wall(rng, thing, front=_FRONT.get(kind, 0.3)):
        return
    if kind in ("bookshelf", "shelf", "locker", "filing cabinet", "wardrobe", "washing machine") and chance(rng, 0.35):
        twin = make_thing(rng, kind, thing.look, thing.seed, **thing.fit)
        site.beside(twin, thing, pick(rng, (-1, 1)), between(rng, 0.01, 0.05))


def _hang(site, rng, kind):
    fit = {"hung": True} if kind == "television" else {}
    thing = hang(site, rng, kind, _HEIGHTS.get(kind, (1.15, 1.6)), **fit)
    if thing and kind == "picture" and chance(rng, 0.3):  # a pair of pictures
        side = pick(rng, (-1, 1))
        other = make_thing(rng, "picture")
        high = other.shape.bounds()[1]
        x, y = thing.point(side * (thing.shape.bounds()[1][0] + high[0] + between(rng, 0.08, 0.3)), 0.0)
        for wall in site.plan.walls:
            along, out = wall.local(x, y)
            on_wall = abs(out) < 0.1 and abs(wall.yaw - thing.yaw) < 0.01
            if on_wall and wall.is_free(along - high[0], along + high[0], thing.z, thing.z + high[2]):
                other.hung = True
                z = min(thing.z, site.plan.height - high[2] - 0.05)
                return site.put(other, x, y, thing.yaw, z, light=True)
    return thing


def _scatter(site, rng, kind):
    """A small thing on the floor, at a wall or anywhere."""
    thing = make_thing(rng, kind)
    if chance(rng, 0.45) or kind in _ALONG_WALLS:
        return site.against_wall(rng, thing, gap=between(rng, 0.02, 0.3), light=chance(rng, 0.3))
    return site.anywhere(rng, thing, light=True)


def _ceiling_lamps(site, rng):
    """One ceiling lamp near the middle of the room, or four equal ones."""
    x0, y0, x1, y1 = site.plan.bounds
    lamp = make_thing(rng, "ceiling lamp")
    height = lamp.shape.bounds()[1][2]
    if height > site.plan.height - 1.9 or any(thing.kind == "ceiling lamp" for thing in site.own):
        return
    count = (2, 2) if chance(rng, 0.25) and site.plan.area > 14 else (1, 1)
    yaw = pick(rng, (0.0, 1.5708))
    for i in range(count[0]):
        for j in range(count[1]):
            twin = lamp if i == j == 0 else make_thing(rng, "ceiling lamp", lamp.look, lamp.seed)
            x, y = x0 + (i + 0.5) / count[0] * (x1 - x0), y0 + (j + 0.5) / count[1] * (y1 - y0)
            jitter = 0.0 if count[0] > 1 else 0.3
            twin.hung = True
            pose = (x + between(rng, -jitter, jitter), y + between(rng, -jitter, jitter), yaw)
            site.put(twin, *pose, site.plan.height - height, light=True)
