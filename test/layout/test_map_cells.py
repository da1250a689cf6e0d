# SPDX-License-Identifier: Apache-2.0
"""A map that grows: the same cells as of all its points, but only tiles that changed are read."""

import dataclasses

import numpy as np
import pytest
from helpers.buildings import cloud_of, two_rooms

from spaceformer_ros.layout.cells import CELL, Cells
from spaceformer_ros.layout.map_cells import KEEP, MapCells

YAW = 0.3
TILE = 1.6  # metres


def building(yaw=YAW):
    """The Cloud of two rooms with a colour of its own for each point."""
    cloud = cloud_of(*two_rooms(), yaw=yaw)
    rgb = np.random.default_rng(1).integers(256, size=cloud.rgb.shape, dtype=np.uint8)
    return dataclasses.replace(cloud, rgb=rgb)


def turned(cloud, yaw):
    """The Cloud turned about z."""
    c, s = np.cos(yaw), np.sin(yaw)
    return dataclasses.replace(cloud, xyz=(cloud.xyz @ [[c, s, 0], [-s, c, 0], [0, 0, 1]]).astype(np.float32))


def is_left(cloud):
    """[N] bool: the points of the room on the left."""
    return cloud.xyz[:, 0] * np.cos(YAW) + cloud.xyz[:, 1] * np.sin(YAW) < 4.07


def rows(cells):
    """A table of Cells: indices, number of points, sums of their colours."""
    return np.column_stack([cells.places, cells.sums])


def reference(cloud, yaw):
    """The same table, from points one by one."""
    c, s = np.float32(np.cos(-yaw)), np.float32(np.sin(-yaw))
    x, y, z = cloud.xyz.T
    places = np.floor(np.column_stack([c * x - s * y, s * x + c * y, z]) / np.float32(CELL)).astype(int)
    table = {}
    for place, color in zip(map(tuple, places.tolist()), cloud.rgb.tolist()):
        table[place] = [a + b for a, b in zip(table.get(place, [0, 0, 0, 0]), [1, *color])]
    return np.array([[*place, *table[place]] for place in sorted(table)])


def test_cells_hold_all_points_whatever_their_blocks(monkeypatch):
    cloud = building()
    expected = reference(cloud, YAW)
    assert np.array_equal(rows(Cells.of(cloud, -YAW)), expected)
    monkeypatch.setattr("spaceformer_ros.layout.cells.BLOCK", 1000)
    monkeypatch.setattr("spaceformer_ros.layout.cells.MAX_PENDING", 3000)
    assert np.array_equal(rows(Cells.of(cloud, -YAW)), expected)


def recolored(cloud):
    """The Cloud with another colour of one point."""
    rgb = cloud.rgb.copy()
    rgb[0] ^= 1
    return dataclasses.replace(cloud, rgb=rgb)


CHANGES = {
    "grown": (lambda cloud: cloud[is_left(cloud)], lambda cloud: cloud),
    "shrunk": (lambda cloud: cloud, lambda cloud: cloud[is_left(cloud)]),
    "recoloured": (lambda cloud: cloud, recolored),
    "the same": (lambda cloud: cloud, lambda cloud: cloud),
    "in another order": (lambda cloud: cloud, lambda cloud: cloud[::-1]),
    "with another origin": (lambda cloud: cloud, lambda cloud: cloud.at_origin((1024.0, 0.0, 0.0))),
    "far away": (lambda cloud: cloud, lambda cloud: dataclasses.replace(cloud, xyz=cloud.xyz + np.float32(204.8))),
    "another map": (lambda cloud: cloud, lambda cloud: building(yaw=0.9)),
    "turned a little": (lambda cloud: cloud, lambda cloud: turned(cloud, 0.7 * KEEP)),
    "nothing": (lambda cloud: cloud, lambda cloud: cloud[:0]),
    "something again": (lambda cloud: cloud[:0], lambda cloud: cloud),
    "one point": (lambda cloud: cloud, lambda cloud: cloud[:1]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_map_has_the_cells_of_its_points(change):
    known = MapCells()
    for part in CHANGES[change]:
        cloud = part(building())
        cells, yaw = known.update(cloud)
        assert np.array_equal(rows(cells), rows(Cells.of(cloud, -yaw)))


def test_only_tiles_that_changed_are_read(monkeypatch):
    read = []
    of = Cells.of
    monkeypatch.setattr(Cells, "of", lambda cloud, turn, chosen: read.append(chosen) or of(cloud, turn, chosen))
    cloud, known = building(), MapCells()
    known.update(cloud)
    known.update(cloud[np.random.default_rng(0).permutation(len(cloud))])
    assert len(read) == 1
    assert read[0].all()
    moved = cloud.xyz.copy()
    moved[0] += np.float32(0.01)
    known.update(dataclasses.replace(cloud, xyz=moved))
    (_, again) = read
    distance = np.hypot(*(cloud.xyz - cloud.xyz[0])[:, :2].T)
    assert again[0]
    assert again.sum() < len(cloud) / 2
    assert distance[again].max() < TILE * 2**0.5 + 0.1


def test_with_another_heading_all_tiles_are_read(monkeypatch):
    cloud, known = building(yaw=0.0), MapCells()
    inside = cloud[np.abs(cloud.xyz[:, :2] - 0.8).max(axis=1) < 0.5]  # of one tile, whatever the small angle
    for yaw in (0.0, 0.1):
        monkeypatch.setattr("spaceformer_ros.layout.map_cells.manhattan_yaw", lambda xyz, yaw=yaw: yaw)
        assert np.array_equal(rows(known.update(inside)[0]), rows(Cells.of(inside, -yaw)))


def test_a_heading_is_kept_until_another_one_is_clearly_better():
    known, cloud = MapCells(), building()
    first = known.update(cloud)[1]
    assert known.update(turned(cloud, 0.7 * KEEP))[1] == first
    assert known.update(turned(cloud, 1.5 * KEEP))[1] == pytest.approx(first + 1.5 * KEEP, abs=0.3 * KEEP)
    assert MapCells(first).update(turned(cloud, np.pi / 2))[1] == first  # walls along the same lines
