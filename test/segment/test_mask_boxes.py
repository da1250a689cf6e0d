# SPDX-License-Identifier: Apache-2.0
"""Boxes of masks: robustness, alignment with walls, extension to the floor."""

import numpy as np
import pytest

from spaceformer_ros.geometry.heading import rotate_z
from spaceformer_ros.segment.mask_boxes import BoxCache, Surroundings, fit_box, fit_boxes

SOFA = (2.2, 0.92, 0.8)
ROOM = Surroundings(wall_yaw=0.0, floor=0.0)


def block(rng, size, count=1500, bottom=0.0):
    """Points that fill a block of this size around the z axis."""
    return rng.uniform(-0.5, 0.5, (count, 3)) * size + (0, 0, bottom + size[2] / 2)


@pytest.mark.parametrize("surroundings", [None, ROOM], ids=["alone", "in a room"])
def test_a_trail_of_stray_points_does_not_enlarge_a_box(rng, surroundings):
    trail = np.column_stack([rng.uniform(-0.1, 0.1, 40), rng.uniform(0.46, 1.5, 40), rng.uniform(0, 0.3, 40)])
    box = fit_box(np.concatenate([block(rng, SOFA), trail]), surroundings)
    assert np.allclose(box.size, SOFA, atol=0.06)
    assert np.allclose(box.center, (0, 0, 0.4), atol=0.06)


def test_a_dense_part_belongs_to_the_object(rng):
    corner = block(rng, (0.9, 0.7, 0.8), 600) + (0.65, 0.8, 0)  # of an L-shaped sofa
    assert np.allclose(fit_box(np.concatenate([block(rng, SOFA), corner]), ROOM).size, (2.2, 1.61, 0.8), atol=0.06)


@pytest.mark.parametrize(("degrees", "expected"), [(4, 0), (30, 30)])
def test_a_box_is_along_the_walls_unless_the_object_clearly_is_not(rng, degrees, expected):
    walls = Surroundings(wall_yaw=np.radians(20), floor=0.0)
    box = fit_box(rotate_z(block(rng, SOFA), np.radians(20 + degrees)), walls)
    assert np.degrees(box.yaw) == pytest.approx(20 + expected, abs=2)


@pytest.mark.parametrize(("bottom", "expected"), [(0.2, 0.0), (0.5, 0.5)])
def test_an_object_just_above_the_floor_stands_on_it(rng, bottom, expected):
    box = fit_box(block(rng, (0.5, 0.5, 0.6), bottom=bottom), ROOM)
    assert box.center[2] - box.size[2] / 2 == pytest.approx(expected, abs=0.02)
    assert box.center[2] + box.size[2] / 2 == pytest.approx(bottom + 0.6, abs=0.02)


def test_few_points_and_flat_objects_have_boxes(rng):
    assert np.allclose(fit_box(np.float32([[1, 2, 3]]), ROOM).size, 0)
    picture = fit_box(block(rng, (0.8, 0.0, 0.6), 300, bottom=1.2), ROOM)
    assert np.allclose(picture.size, (0.8, 0.0, 0.6), atol=0.02)


def test_cached_boxes_equal_new_ones_and_follow_the_floor(rng):
    parts, cache = [block(rng, SOFA, bottom=0.1).astype(np.float32), block(rng, (0.5, 0.4, 0.9), 300)], BoxCache()
    lower = Surroundings(0.0, -0.1)
    for surroundings in (ROOM, ROOM, lower):
        for found, wanted in zip(cache.fit(parts, surroundings), fit_boxes(parts, surroundings), strict=True):
            assert np.array_equal(found.center, wanted.center)
            assert np.array_equal(found.size, wanted.size)
    assert fit_box(parts[0], lower).size[2] > fit_box(parts[0], ROOM).size[2] + 0.05
