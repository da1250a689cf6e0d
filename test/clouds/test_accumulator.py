# SPDX-License-Identifier: Apache-2.0
import math
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaceformer_ros import SpaceformerError
from spaceformer_ros.clouds import accumulator, voxel_rows
from spaceformer_ros.clouds.accumulator import VoxelMapAccumulator


class NaiveMap:
    """The same map as a dict: voxel index -> [sum of xyz, sum of rgb, count, time of the last observation]."""

    def __init__(self, voxel_size, max_voxels):
        self.voxel_size, self.max_voxels, self.voxels = voxel_size, max_voxels, {}
        self.now = self.shift = None

    def insert(self, xyz, rgb, stamp):
        points = {}
        for point, color in zip(xyz.astype(float).tolist(), rgb.tolist()):
            if all(map(math.isfinite, point)):
                points.setdefault(tuple(math.floor(v / self.voxel_size) for v in point), []).append((point, color))
        time = self.time_of(stamp)
        self.make_room(points)
        for index, members in points.items():
            voxel = self.voxels.setdefault(index, [np.zeros(3), np.zeros(3), 0, -math.inf])
            voxel[0] += np.sum([point for point, _ in members], axis=0)
            voxel[1] += np.sum([color for _, color in members], axis=0)
            voxel[2] += len(members)
            voxel[3] = max(voxel[3], time)

    def time_of(self, stamp):
        if self.now is None:
            self.now, self.shift = stamp, 0.0
        time = stamp + self.shift
        if time < self.now - 1.0:
            self.shift += self.now - time
            time = self.now
        self.now = max(self.now, time)
        return time

    def make_room(self, points):
        new = [index for index in points if index not in self.voxels]
        excess = len(self.voxels) + len(new) - self.max_voxels
        if excess > 0:
            others = sorted((voxel[3], index) for index, voxel in self.voxels.items() if index not in points)
            for _, index in others[: excess + self.max_voxels // 8]:
                del self.voxels[index]

    def arrays(self):
        """xyz [M, 3] float64, rgb [M, 3], age [M], count [M] in ascending order of the voxel index."""
        rows = [self.voxels[index] for index in sorted(self.voxels)]
        xyz = np.array([row[0] / row[2] for row in rows]).reshape(-1, 3)
        rgb = np.array([np.rint(row[1] / row[2]) for row in rows]).reshape(-1, 3)
        return xyz, rgb, np.array([self.now - row[3] for row in rows]), np.array([row[2] for row in rows])


def assert_equal_maps(fast, naive):
    snapshot = fast.snapshot()
    xyz, rgb, age, count = naive.arrays()
    assert len(fast) == len(snapshot.cloud) == len(xyz)
    np.testing.assert_array_equal(snapshot.count, count)
    np.testing.assert_array_equal(snapshot.cloud.rgb, rgb)
    np.testing.assert_array_equal(snapshot.age, age)
    np.testing.assert_allclose(snapshot.cloud.xyz, xyz, rtol=2e-7, atol=1e-9)


def make_map(voxel_size=0.1, max_voxels=1000, **options):
    return VoxelMapAccumulator(voxel_size=voxel_size, max_voxels=max_voxels, **options)


def gray(xyz, value=100):
    return np.full((len(xyz), 3), value, dtype=np.uint8)


def row_of(indices, voxel_size=0.1):
    """Points in the middle of the voxels (i, 0, 0)."""
    xyz = np.zeros((len(indices), 3), dtype=np.float32)
    xyz[:, 0] = indices
    return (xyz + np.float32(0.5)) * np.float32(voxel_size)


def insert_row(target, indices, stamp):
    xyz = row_of(indices)
    return target.insert(xyz, gray(xyz), stamp)


def held(target):
    """The x indices of the voxels of a map that `insert_row` filled."""
    return np.floor(target.snapshot().cloud.xyz[:, 0] / 0.1).astype(int).tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_means_are_those_of_a_dict(rng, dtype):
    fast, naive = make_map(max_voxels=10**6), NaiveMap(0.1, 10**6)
    for i in range(6):
        xyz = rng.normal((i * 0.3, -5.0, 1.0), (1.0, 0.5, 0.2), (3000, 3)).astype(dtype)
        rgb = rng.integers(0, 256, xyz.shape, dtype=np.uint8)
        assert fast.insert(xyz, rgb, 100 + 0.1 * i) == 3000
        naive.insert(xyz, rgb, 100 + 0.1 * i)
    assert len(fast) < 12_000  # or there would be no means to speak of
    assert_equal_maps(fast, naive)


cells = st.tuples(st.integers(-4, 3), st.integers(-2, 1), st.integers(0, 1))
values = st.one_of(st.floats(0.0, 0.9375, width=32), st.sampled_from([np.nan, np.inf, -np.inf]))
points = st.tuples(cells, st.tuples(values, st.floats(0.0, 0.5, width=32), st.just(0.25)), st.integers(0, 255))
scans = st.lists(st.tuples(st.lists(points, max_size=12), st.sampled_from([0, 0.5, 1, 1.5, 3, 8, 20])), max_size=10)


@settings(max_examples=150, deadline=None)
@given(scans, st.integers(12, 40), st.sampled_from([0, 5, 1000]))
@pytest.mark.slow
def test_any_scans_give_the_map_of_the_dict(scans, max_voxels, small_run):
    # Cells of 0.5 m and a bound near the number of cells: voxels are seen again, dropped and come back. Stamps run in
    # any order. The small run is short, so that keys are found in both runs of the index.
    fast, naive = make_map(0.5, max_voxels), NaiveMap(0.5, max_voxels)
    with mock.patch.object(voxel_rows, "SMALL_RUN", small_run):
        for rows, stamp in scans:
            cell, inside, red = ([row[i] for row in rows] for i in range(3))
            xyz = (np.reshape(cell, (-1, 3)) + np.reshape(inside, (-1, 3))) * 0.5
            rgb = np.zeros(xyz.shape, dtype=np.uint8)
            rgb[:, 0] = red
            fast.insert(xyz, rgb, float(stamp))
            naive.insert(xyz, rgb, float(stamp))
            assert len(fast) <= max_voxels
            assert_equal_maps(fast, naive)


def test_many_observations_of_one_voxel_stay_exact(rng):
    voxels, total, color = make_map(0.02), np.zeros(3), np.zeros(3)
    for i in range(200):
        xyz = rng.uniform(0.1001, 0.1199, (2000, 3))
        rgb = rng.integers(0, 256, xyz.shape, dtype=np.uint8)
        voxels.insert(xyz, rgb, i)
        total, color = total + xyz.sum(axis=0), color + rgb.sum(axis=0)
    snapshot = voxels.snapshot()
    np.testing.assert_array_equal(snapshot.count, [400_000])
    np.testing.assert_allclose(snapshot.cloud.xyz[0], total / 400_000, rtol=1e-7)
    np.testing.assert_array_equal(snapshot.cloud.rgb[0], np.rint(color / 400_000))


def two_scans(rng, shuffle):
    """A map of two scans that does not hold all of both, each scan's points in the order that `shuffle` gives."""
    voxels = make_map(max_voxels=1100)
    for stamp in (0.0, 0.1):
        xyz = rng.uniform(stamp, stamp + 1, (2000, 3))
        rgb = rng.integers(0, 256, xyz.shape, dtype=np.uint8)
        order = shuffle(2000)
        voxels.insert(xyz[order], rgb[order], stamp)
    return voxels.snapshot()


def test_the_order_of_points_within_a_scan_does_not_matter():
    first = two_scans(np.random.default_rng(0), np.arange)
    second = two_scans(np.random.default_rng(0), np.random.default_rng(1).permutation)
    assert first.count.sum() < 4000  # some were dropped
    np.testing.assert_array_equal(first.cloud.rgb, second.cloud.rgb)
    np.testing.assert_array_equal(first.count, second.count)
    np.testing.assert_array_equal(first.age, second.age)
    np.testing.assert_allclose(first.cloud.xyz, second.cloud.xyz, rtol=1e-6)


def test_the_same_scans_give_the_same_bytes():
    first, second = (two_scans(np.random.default_rng(0), np.arange) for _ in range(2))
    assert first.cloud.xyz.tobytes() == second.cloud.xyz.tobytes()
    assert first.cloud.rgb.tobytes() == second.cloud.rgb.tobytes()


def test_a_full_map_drops_the_least_recently_seen_voxels():
    voxels = make_map(max_voxels=7)  # 7 // 8 = 0: exactly as many as needed
    for i in range(7):
        insert_row(voxels, [i], stamp=i)
    insert_row(voxels, [0, 1], stamp=7)
    insert_row(voxels, [10, 11, 12], stamp=8)
    assert held(voxels) == [0, 1, 5, 6, 10, 11, 12]
    assert voxels.snapshot().age.tolist() == [1, 1, 3, 2, 0, 0, 0]


def test_dropping_makes_room_for_an_eighth_more():
    voxels = make_map(max_voxels=80)
    insert_row(voxels, range(40), stamp=0)
    insert_row(voxels, range(40, 80), stamp=1)
    assert len(voxels) == 80
    insert_row(voxels, [100], stamp=2)
    assert held(voxels) == [*range(11, 80), 100]  # one that was needed and 10 more; equally old: lowest index first


def test_a_dropped_voxel_starts_from_zero():
    voxels = make_map(max_voxels=1)
    insert_row(voxels, [0, 0, 0], stamp=0)
    insert_row(voxels, [1], stamp=1)
    insert_row(voxels, [0], stamp=2)
    assert held(voxels) == [0]
    assert voxels.snapshot().count.tolist() == [1]


def test_voxels_of_a_late_scan_are_not_dropped_for_its_own_new_ones():
    voxels = make_map(max_voxels=4)
    insert_row(voxels, [0, 1], stamp=1.0)
    insert_row(voxels, [2, 3], stamp=1.5)
    insert_row(voxels, [0, 1, 5], stamp=1.2)
    assert held(voxels) == [0, 1, 3, 5]


def test_a_scan_larger_than_the_map_is_refused_and_changes_nothing():
    voxels = make_map(max_voxels=3)
    insert_row(voxels, [0], stamp=1)
    with pytest.raises(SpaceformerError, match="fills 4 voxels, but max_voxels is 3"):
        insert_row(voxels, [1, 2, 3, 4], stamp=2)
    assert held(voxels) == [0]
    assert voxels.stamp == 1


def test_ages_are_relative_to_the_newest_stamp():
    voxels = make_map()
    insert_row(voxels, [0], stamp=10.0)
    insert_row(voxels, [1], stamp=12.0)
    insert_row(voxels, [2], stamp=11.5)  # late: taken at its own stamp
    assert voxels.snapshot().age.tolist() == [2.0, 0.0, 0.5]
    assert voxels.stamp == 12.0
    insert_row(voxels, [1], stamp=11.6)  # nothing becomes older by being seen
    assert voxels.snapshot().age.tolist() == [2.0, 0.0, 0.5]


def test_a_bag_that_restarts_continues_the_map_time():
    voxels = make_map(max_voxels=3)
    for i, stamp in enumerate((100.0, 130.0)):
        insert_row(voxels, [i], stamp)
    insert_row(voxels, [2], stamp=100.0)
    assert voxels.stamp == 100.0
    insert_row(voxels, [0], stamp=105.0)
    assert voxels.snapshot().age.tolist() == [0.0, 5.0, 5.0]
    insert_row(voxels, [3], stamp=106.0)
    assert held(voxels) == [0, 2, 3]  # 1 was not dropped for its stamp, which is smaller than none of the others
    assert voxels.snapshot("map").cloud.stamp_ns == 106 * 10**9


def test_an_empty_scan_moves_the_clock():
    voxels = make_map()
    insert_row(voxels, [0], stamp=1)
    assert insert_row(voxels, [], stamp=4) == 0
    assert voxels.snapshot().age.tolist() == [3.0]


def test_points_that_are_not_finite_are_left_out():
    xyz = np.zeros((5, 3), dtype=np.float32)
    xyz[[1, 2, 3], [0, 1, 2]] = np.nan, np.inf, -np.inf
    voxels = make_map()
    assert voxels.insert(xyz, gray(xyz), 0.0) == 2
    assert voxels.snapshot().count.tolist() == [2]
    assert voxels.insert(xyz[1:4], gray(xyz[1:4]), 0.0) == 0


def test_only_points_in_the_roi_are_used_its_faces_included():
    voxels = make_map(roi=(0, -1, -1, 2, 1, 1))
    xyz = np.array([[-0.01, 0, 0], [0, 0, 0], [2, 1, 1], [2.01, 0, 0], [1, 0, 1.01]])
    assert voxels.insert(xyz, gray(xyz), 0.0) == 2
    np.testing.assert_allclose(voxels.snapshot().cloud.xyz, xyz[1:3])
    assert make_map(roi=(0,) * 6).insert(xyz, gray(xyz), 0.0) == 5


def test_far_coordinates_keep_their_precision(rng):
    # UTM: float32 could only tell points 0.5 m apart from each other there.
    far = np.array([448_262.0, 5_411_932.0, 250.0])
    near = rng.uniform(0, 1, (4000, 3)).round(3)
    rgb = rng.integers(0, 256, near.shape, dtype=np.uint8)
    voxels, same = make_map(max_voxels=5000), NaiveMap(0.1, 5000)
    for _ in range(2):
        voxels.insert(near + far, rgb, 0.0)
        same.insert(near + far, rgb, 0.0)
    snapshot = voxels.snapshot(origin=far)
    np.testing.assert_allclose(snapshot.cloud.xyz, same.arrays()[0] - far, atol=2e-7)
    np.testing.assert_array_equal(snapshot.count, same.arrays()[3])
    assert np.abs(voxels.origin - far).max() < 1
    assert voxels.snapshot(origin=voxels.origin).cloud.xyz.min() > -1


def test_stray_points_beyond_the_reach_are_left_out():
    voxels = make_map(0.02)
    xyz = np.array([[1e300, 0, 0], [0, 3e38, 0], [1, 2, 3], [1, 2, 3], [1, 2, 3], [22_000, 0, 0], [20_000, 0, 0]])
    assert voxels.insert(xyz, gray(xyz), 0.0) == 4
    assert voxels.snapshot().count.tolist() == [3, 1]
    with pytest.raises(SpaceformerError, match=r"more than 20971\.5 m from the map's origin \[1\.0, 2\.0"):
        voxels.insert(xyz[:2], gray(xyz[:2]), 1.0)
    assert voxels.stamp == 0.0
    with pytest.raises(SpaceformerError, match="clear the map"):
        make_map(1e-300).insert(xyz[:1], gray(xyz[:1]), 0.0)


def test_a_snapshot_is_a_read_only_copy():
    voxels = make_map()
    insert_row(voxels, [0, 1], stamp=2.5)
    snapshot = voxels.snapshot("odom", stamp_ns=2_500_000_001)
    before = snapshot.cloud.xyz.copy()
    for array in (snapshot.cloud.xyz, snapshot.cloud.rgb, snapshot.age, snapshot.count):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    voxels.insert(before + np.float32(0.01), gray(before, 0), 3.0)
    assert (snapshot.cloud.frame_id, snapshot.cloud.stamp_ns) == ("odom", 2_500_000_001)
    np.testing.assert_array_equal(snapshot.cloud.xyz, before)
    assert (snapshot.cloud.rgb == 100).all()
    assert (snapshot.age == 0).all()


def test_a_snapshot_larger_than_one_chunk(rng):
    xyz = rng.uniform(0, 1, (3000, 3))
    fast, naive = make_map(0.05, 10_000), NaiveMap(0.05, 10_000)
    for target in (fast, naive):
        target.insert(xyz, gray(xyz), 0.0)
    with mock.patch.object(accumulator, "CHUNK", 100):
        assert_equal_maps(fast, naive)


def test_clear_resets_voxels_clock_and_origin():
    voxels = make_map()
    insert_row(voxels, range(5), stamp=100.0)
    voxels.clear()
    assert len(voxels) == len(voxels.snapshot().cloud) == 0
    assert voxels.stamp == 0.0
    far = row_of([0]).astype(float) + 1e6
    voxels.insert(far, gray(far), 5.0)
    assert voxels.snapshot().age.tolist() == [0.0]
    assert voxels.stamp == 5.0


@pytest.mark.parametrize(
    ("xyz", "rgb", "stamp", "message"),
    [
        (np.zeros((2, 4), np.float32), np.zeros((2, 3), np.uint8), 0.0, "xyz is float32 .2, 4., expected float32 or"),
        (np.zeros((2, 3), np.int64), np.zeros((2, 3), np.uint8), 0.0, "xyz is int64"),
        (np.zeros((2, 3), np.float32), np.zeros((2, 3), np.float32), 0.0, "rgb is float32 .2, 3., expected uint8"),
        (np.zeros((2, 3), np.float32), np.zeros((3, 3), np.uint8), 0.0, "2 points but 3 colours"),
        (np.zeros((2, 3), np.float32), np.zeros((2, 3), np.uint8), math.nan, "stamp nan"),
    ],
)
def test_bad_scans_are_refused(xyz, rgb, stamp, message):
    voxels = make_map()
    with pytest.raises(SpaceformerError, match=message):
        voxels.insert(xyz, rgb, stamp)
    assert len(voxels) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"voxel_size": 0.0}, "voxel_size: 0.0"),
        ({"voxel_size": math.nan}, "voxel_size: nan"),
        ({"max_voxels": 0}, "max_voxels: 0"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(SpaceformerError, match=message):
        make_map(**options)


def test_a_map_that_does_not_fit_into_memory_is_refused():
    with (
        mock.patch.object(accumulator.np, "empty", side_effect=MemoryError),
        pytest.raises(SpaceformerError, match="max_voxels: 2000000000 need 160 GB of memory: lower it"),
    ):
        VoxelMapAccumulator(voxel_size=0.1, max_voxels=2_000_000_000)
