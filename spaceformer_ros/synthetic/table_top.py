# SPDX-License-Identifier: Apache-2.0
"""Generated table tops: a dense cloud of one piece of furniture's top with 6 to 16 small things on it."""

import numpy as np

from .config import RoomConfig
from .floorplan import draw_plans
from .lighting import draw_lamps, illuminate
from .placement import Site, make_thing
from .room import labelled
from .surfaces import sample_surfaces
from .things.parts import pick
from .true_layout import true_layout

TABLES = ("table", "desk", "conference table", "workbench")
SMALL = (
    "kettle", "toaster", "coffee machine", "clock", "laptop", "keyboard", "vase", "bottle", "cup", "bowl", "book",
    "teddy bear", "ball", "toolbox", "plant", "shoes", "box",
)  # fmt: skip
COUNT = (6, 16)  # things on a table
SPACING = 0.006  # metres between points
NOISE = 0.001  # metres, standard deviation
EDGE = 0.05  # metres below the top that the cloud shows of the table
TRIES = 200  # tables and things that are drawn until enough of them fit


def make_table_top(seed):
    """A Room that shows the top of one table with small things on it; the table is an object too.

    Its points are those of the complete surface with noise, as a camera that moves around a table sees it. seed: int.
    """
    rng = np.random.default_rng(seed)
    config = RoomConfig(width=(4, 5), depth=(4, 5), l_shape=0.0)
    plan = draw_plans(rng, config)[0][0]
    table, things = _laid_table(rng, plan)
    surfaces, words = sample_surfaces(things, SPACING, rng)
    lamps = draw_lamps(rng, [plan], things)
    surfaces = illuminate(surfaces, lamps, np.ones(len(things), dtype=bool), rng)
    shown = surfaces.xyz[:, 2] > table.z + max(top[4] for top in table.shape.tops) - EDGE
    xyz = surfaces.xyz[shown] + rng.normal(0, NOISE, (int(shown.sum()), 3)).astype(np.float32)
    rgb = np.rint(surfaces.rgb[shown]).astype(np.uint8)
    return labelled(
        xyz, rgb, 2 * surfaces.thing[shown].astype(np.int64), things, words, true_layout([plan], []), seed, config, rng
    )


def _laid_table(rng, plan):
    """A table in the middle of a FloorPlan and the list of all things, the table first."""
    wanted = int(rng.integers(COUNT[0], COUNT[1] + 1))
    for _ in range(TRIES):
        site = Site(plan, [])
        x0, y0, x1, y1 = plan.bounds
        table = site.put(make_thing(rng, pick(rng, TABLES)), (x0 + x1) / 2, (y0 + y1) / 2, 0.0)
        for _ in range(TRIES if table and table.shape.tops else 0):
            if len(site.things) > wanted:
                break
            kind = pick(rng, SMALL)
            site.on_top(rng, make_thing(rng, kind, **({"small": True} if kind == "plant" else {})), table)
        if len(site.things) > COUNT[0]:
            return table, site.things
    raise AssertionError("no table of this size holds the things")  # not seen for any seed
