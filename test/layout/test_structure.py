# SPDX-License-Identifier: Apache-2.0
"""Layouts as data: lookups, JSON, rigid motion."""

import json
import math

import pytest

from spaceformer_ros import SpaceformerError
from spaceformer_ros.geometry.transform import RigidTransform
from spaceformer_ros.layout.structure import Door, Layout, Room, Storey, Wall, Window


def two_storeys():
    """Two rooms beside each other and one above the first."""

    def room(number, x, storey):
        return Room(number, ((x, 0.0), (x + 4.0, 0.0), (x + 4.0, 3.0), (x, 3.0)), 12.0, storey, (1,))

    return Layout(
        storeys=(Storey(1, 0.0, 2.5), Storey(2, 2.8, 5.3)),
        walls=(Wall(1, (4.07, 0.0), (4.07, 3.0), 0.0, 2.5, 0.14, 1),),
        doors=(Door(1, 1, (4.07, 1.0, 1.0), 0.9, 2.0, "open", (1, 2)),),
        windows=(Window(1, 1, (4.07, 2.2, 1.5), 0.8, 1.0, 1.0),),
        rooms=(room(1, 0.0, 1), room(2, 4.14, 1), room(3, 0.0, 2)),
    )


@pytest.mark.parametrize(
    ("place", "expected"),
    [((1, 1, 1), 1), ((5, 1, 0), 2), ((1, 1, 2.6), 3), ((4.05, 1, 1), 1), ((1, 1, -2), 1), ((9, 1, 1), None)],
)
def test_room_at(place, expected):
    room = two_storeys().room_at(place)
    assert (room.id if room else None) == expected


def test_room_at_without_anything():
    assert Layout().room_at((0, 0, 0)) is None
    assert Layout().storey_at(0.0) is None


def test_json_round_trip():
    layout = two_storeys()
    assert Layout.from_dict(json.loads(json.dumps(layout.to_dict()))) == layout


@pytest.mark.parametrize("change", [{"doors": [{}]}, {"walls": 1}, {"rooms": None}])
def test_damaged_json_is_refused(change):
    with pytest.raises(SpaceformerError, match="layout cannot be read"):
        Layout.from_dict({**two_storeys().to_dict(), **change})


def test_door_state_is_checked():
    content = two_storeys().to_dict()
    content["doors"][0]["state"] = "ajar"
    with pytest.raises(SpaceformerError, match="ajar"):
        Layout.from_dict(content)


def test_moved():
    transform = RigidTransform.about_z(math.pi / 2, (1.0, 2.0, 0.5))
    moved = two_storeys().moved(transform)
    assert moved.storeys[0] == Storey(1, 0.5, 3.0)
    assert moved.doors[0].center == pytest.approx((0.0, 6.07, 1.5))
    assert moved.room_at((-0.5, 3.0, 1.0)).id == 1
    assert moved.walls[0].length == pytest.approx(3.0)


def test_places_along_a_wall():
    along, left = two_storeys().walls[0].local((4.0, 1.0))
    assert (along, left) == pytest.approx((1.0, 0.07))
