# SPDX-License-Identifier: Apache-2.0
"""Points of floors, ceilings and walls by the layout."""

import numpy as np
import pytest

from spaceformer_ros.layout.find import find_layout
from spaceformer_ros.layout.structure import Layout, Storey
from spaceformer_ros.layout.surfaces import SURFACES, surface_of
from spaceformer_ros.synthetic import make_room


@pytest.mark.slow
def test_nearly_all_points_of_a_rooms_structure_are_named_and_few_of_its_objects():
    room = make_room(1)
    found = surface_of(find_layout(room.cloud), room.cloud.xyz)
    is_structure = room.instance < 0
    assert (found[is_structure] >= 0).mean() > 0.95
    assert (found[~is_structure] >= 0).mean() < 0.35  # things stand on the floor, and against walls
    middle = np.ptp(room.cloud.xyz[:, 2]) / 2 + room.cloud.xyz[:, 2].min()
    assert (room.cloud.xyz[found == SURFACES.index("floor"), 2] < middle).all()
    assert (room.cloud.xyz[found == SURFACES.index("ceiling"), 2] > middle).all()


def plane(x, y, z):
    """Points every 4 cm of a box given by a range or a number per axis."""
    axes = [np.arange(*bounds, 0.04) if isinstance(bounds, tuple) else [bounds] for bounds in (x, y, z)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)


def test_upper_ends_of_walls_are_no_ceiling():
    wall, curtain = plane((0, 3), 0.0, (0, 2.52)), plane((0, 3), 0.5, (1.5, 2.5))
    ceiling, floor = plane((0, 3), (1.0, 2.0), 2.5), plane((0, 3), (0, 2.0), 0.0)
    parts = wall, curtain, ceiling, floor
    found = surface_of(Layout(storeys=(Storey(1, 0.0, 2.5),)), np.concatenate(parts))
    shares = [
        (part == SURFACES.index("ceiling")).mean() for part in np.split(found, np.cumsum(list(map(len, parts)))[:-1])
    ]
    assert shares == [0, 0, 1, 0]
