# SPDX-License-Identifier: Apache-2.0
"""Geometry of primitives, the simulated camera, and fusion."""

import numpy as np
import pytest

from spaceformer_ros.synthetic.camera_path import Pose
from spaceformer_ros.synthetic.colors import plain
from spaceformer_ros.synthetic.fusion import fuse
from spaceformer_ros.synthetic.hidden import hidden_points
from spaceformer_ros.synthetic.sampling import sample
from spaceformer_ros.synthetic.scan import Scanner, Sensor
from spaceformer_ros.synthetic.shapes import CUP, PIPE, Shape, rotation
from spaceformer_ros.synthetic.surfaces import Surfaces


def test_bounds_are_exact_for_turned_primitives():
    paint, turn = plain((200, 10, 10)), (0.4, 0.3, -0.7)
    shape = Shape()
    shape.block((1, 2, 3), (0.5, 0.3, 0.2), paint, turn)
    shape.ball((0, 0, 0), (0.5, 0.2, 0.9), paint, turn)
    shape.cushion((0, 0, 0), (0.5, 0.6, 0.9), paint, turn, 5)
    shape.round((0, 0, 0), (0.4, 0.4, 0.7), paint, turn, 0.5, CUP)
    shape.round((0, 0, 0), (0.4, 0.2, 0.7), paint, turn, 1.3, PIPE)
    shape.ring((0, 0, 0), 0.3, 0.05, paint, turn)
    shape.sheet((0, 0, 0), (0.5, 0.05, 0.9), paint, None, 6)
    for row in range(len(shape.table)):
        one = Shape()
        one._tables, one.paints = [shape.table[row : row + 1]], shape.paints
        low, high = one.bounds()
        xyz, _, _ = sample(one.table, 0.004, np.random.default_rng(0))
        assert (xyz > low - 1e-5).all()
        assert (xyz < high + 1e-5).all()
        assert np.abs(xyz.min(axis=0) - low).max() < 0.012
        assert np.abs(xyz.max(axis=0) - high).max() < 0.012


def test_normals_point_outwards_and_density_follows_the_spacing():
    shape = Shape()
    shape.ball((0, 0, 5), 2.0, plain((9, 9, 9)))
    xyz, normal, _ = sample(shape.table, 0.05, np.random.default_rng(0))
    assert (normal * (xyz - [0, 0, 5])).sum(axis=1).min() > 0.95
    assert len(xyz) == pytest.approx(6 * 4 / 0.05**2, rel=0.05)  # a cube's faces, pushed onto the ball
    cup = Shape()
    cup.post(0, 0, 1, 2, 0.5, plain((9, 9, 9)), form=CUP)
    xyz, normal, _ = sample(cup.table, 0.05, np.random.default_rng(0))
    side = np.abs(normal[:, 2]) < 0.5
    outwards = (normal * xyz)[side, :2].sum(axis=1) > 0
    radius = np.linalg.norm(xyz[side, :2], axis=1)
    assert radius[outwards].min() > 0.495 > radius[~outwards].max()  # the inner wall looks at the axis
    x, y, z = np.array(rotation(0.3, 0.2, 0.1))
    assert np.allclose(np.cross(x, y), z)


def test_a_front_covers_what_is_behind_it():
    paint, shape = plain((9, 9, 9)), Shape()
    shape.slab((-0.5, -0.5, 1), (0.5, 0.5, 2), paint)
    shape.slab((-0.5, -0.51, 1), (0.5, -0.5, 1.5), paint)  # the lower half of the front face
    table = shape.table
    xyz, normal, primitive = sample(table, 0.02, np.random.default_rng(0))
    hidden = hidden_points(table, np.zeros(2, int), xyz, normal, primitive)
    face = (primitive == 0) & (normal[:, 1] < -0.9)
    assert hidden[face & (xyz[:, 2] < 1.49)].all()
    assert not hidden[face & (xyz[:, 2] > 1.51)].any()
    assert not hidden[(primitive == 1) & (normal[:, 1] < -0.9)].any()


def test_fusion_agrees_with_a_slow_reference():
    rng = np.random.default_rng(0)
    xyz = rng.uniform(-0.2, 0.2, (3000, 3)).astype(np.float32)
    rgb = rng.uniform(0, 255, (3000, 3)).astype(np.float32)
    weight, label = rng.uniform(0.5, 2, 3000).astype(np.float32), rng.integers(0, 4, 3000)
    cells = {}
    for i, cell in enumerate(map(tuple, np.floor(xyz * np.float32(1 / 0.05)).astype(int))):
        cells.setdefault(cell, []).append(i)
    expected = sorted(tuple(np.average(xyz[i], axis=0, weights=weight[i])) for i in cells.values() if len(i) >= 2)
    points, colors, labels = fuse(xyz, rgb, weight, label, 0.05, min_hits=2)
    assert np.allclose(sorted(map(tuple, points)), expected, atol=1e-5)
    counts = {c: np.bincount(label[i], minlength=4) for c, i in cells.items()}
    for point, chosen in zip(points, labels, strict=True):
        votes = counts[tuple(np.floor(point * np.float32(1 / 0.05)).astype(int))]
        assert votes[chosen] == votes.max()
    assert colors.dtype == np.uint8


def look_at_planes(distances, widths, noise=1.0):
    """One view along y of square planes of some widths (metres) at some distances; which plane each point is from."""
    shape = Shape()
    for distance, width in zip(distances, widths, strict=True):
        shape.sheet((0, distance, 1), (width, 0, width), plain((150, 150, 150)), None, one_sided=True)
    xyz, normal, plane = sample(shape.table, 0.02, np.random.default_rng(0))
    count = len(xyz)
    surfaces = Surfaces(xyz, normal, np.full((count, 3), 150, np.float32), np.zeros(count, np.float32), plane)
    sensor = Sensor((0.58, 0.42), (0.3, 6.0), noise, 0.0, 0.0, 1.0)
    scanner = Scanner(surfaces, 0.02, sensor, np.random.default_rng(0))
    seen = scanner.view(Pose((0.0, 0.0, 1.0), np.pi / 2, 0.0), np.zeros(3), 0.0, np.random.default_rng(1))
    return seen, plane[seen.source]


def test_a_camera_does_not_see_through_things():
    seen, plane = look_at_planes((1.0, 3.0), (0.5, 2.2))
    behind = seen.xyz[plane == 1]
    shadow = 0.25 / 1.0 * 3.0  # half the width of what the near plane hides of the far one
    hidden = (np.abs(behind[:, [0, 2]] - [0, 1]) < shadow - 0.08).all(axis=1)
    assert (plane == 0).sum() > 300
    assert len(behind) > 1000
    assert hidden.sum() < 0.01 * len(behind)
    alone, _ = look_at_planes((3.0,), (2.2,))
    assert (np.abs(alone.xyz[:, [0, 2]] - [0, 1]) < shadow - 0.08).all(axis=1).sum() > 1000


def test_depth_noise_grows_with_the_distance():
    spread = {distance: look_at_planes((distance,), (1.0,))[0].xyz[:, 1].std() for distance in (1.0, 2.0, 4.0)}
    for distance, measured in spread.items():
        assert measured == pytest.approx(0.0012 + 0.0019 * (distance - 0.4) ** 2, rel=0.4)
    assert look_at_planes((2.0,), (1.0,), noise=0.0)[0].xyz[:, 1].std() < 1e-5
