# SPDX-License-Identifier: Apache-2.0
"""Points of floors, ceilings and walls by the layout."""

import numpy as np
import pytest

from spaceformer_ros.layout.find import find_layout
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
