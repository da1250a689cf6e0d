# SPDX-License-Identifier: Apache-2.0
"""Tiles: plan, cache, merging of masks, and the segmenter on large maps."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from helpers.instances import extract_instances
from helpers.networks import ON_CPU, segmenter
from hypothesis import given, settings
from hypothesis import strategies as st

from spaceformer_ros import Cancelled, SpaceformerError
from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.config import Config
from spaceformer_ros.grids.groups import unique_rows
from spaceformer_ros.instances import Masks, VoxelMap
from spaceformer_ros.network.packing import pack
from spaceformer_ros.network.voxels import Level
from spaceformer_ros.segment.alignment import Alignment
from spaceformer_ros.segment.map_grid import make_grid, update_grid
from spaceformer_ros.segment.mask_boxes import Surroundings
from spaceformer_ros.segment.memory import MemoryMeter, is_out_of_memory
from spaceformer_ros.segment.postprocess import mask_iou, non_max_suppression
from spaceformer_ros.segment.tiles.merge import merge_tiles, suppress_duplicates
from spaceformer_ros.segment.tiles.plan import Columns, plan_tiles

VOXEL = 0.05


def floor(width, depth, step=0.05, x=0.0, y=0.0, z=0.0):
    """Points of a floor, one per step."""
    grid = np.meshgrid(np.arange(0, width, step) + x, np.arange(0, depth, step) + y, indexing="ij")
    return np.column_stack([*(axis.ravel() for axis in grid), np.full(grid[0].size, z)]).astype(np.float32) + 0.01


def box(center, size, count, rng):
    return (rng.uniform(-0.5, 0.5, (count, 3)) * size + center).astype(np.float32)


def join(*clouds):
    return Cloud(np.concatenate([c.xyz for c in clouds]), np.concatenate([c.rgb for c in clouds]), "map")


def columns_of(xyz):
    coords = torch.from_numpy(unique_rows(np.floor(xyz / VOXEL).astype(np.int64))[0])
    piles = Level(pack(coords, torch.zeros(len(coords), dtype=torch.int64))).piles()
    return Columns.of(*(array.numpy() for array in piles), VOXEL)


def colored(xyz, seed=0):
    return Cloud(xyz, np.random.default_rng(seed).integers(0, 256, xyz.shape, dtype=np.uint8), "map")


# --- the plan --------------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(0, 60)] * 2, st.integers(5, 40), st.integers(5, 40)), min_size=1, max_size=5),
    st.integers(100, 3000),
    st.floats(0.2, 1.0),
)
@pytest.mark.slow
def test_cores_partition_a_map_and_regions_include_the_margin(patches, budget, margin):
    rows = [floor(w / 10, d / 10, x=x / 10, y=y / 10) for x, y, w, d in patches]
    columns = columns_of(rows[0])
    tiles = plan_tiles(columns, budget, margin)
    for count in range(2, len(rows) + 1):  # the map grows
        columns = columns_of(np.concatenate(rows[:count]))
        before, tiles = tiles, plan_tiles(columns, budget, margin, tiles)
        again = plan_tiles(columns, budget, margin, before)
        assert all(np.array_equal(a.region, b.region) for a, b in zip(tiles, again, strict=True))
    owners = np.bincount(np.concatenate([columns.rows(tile.core) for tile in tiles]), minlength=len(columns.keys))
    assert (owners == 1).all()
    assert (columns.owner(tiles) >= 0).all()
    reach = round(margin / columns.width)
    for tile in tiles:
        core, seen = columns.rows(tile.core), columns.rows(tile.region)
        assert np.isin(core, seen).all()
        narrow = np.ptp(columns.place[core], axis=0).max() < 4 * reach + 4
        assert columns.counts[seen].sum() <= 2 * budget or narrow


@pytest.mark.slow
def test_regions_of_a_new_plan_include_the_margin():
    columns = columns_of(floor(8, 5))
    tiles = plan_tiles(columns, 4000, 0.5)
    assert len(tiles) > 2
    for tile in tiles:
        core = columns.place[columns.rows(tile.core)]
        distance = np.abs(columns.place[:, None] - core[None]).max(axis=2).min(axis=1)
        np.testing.assert_array_equal(columns.rows(tile.region), np.flatnonzero(distance <= 5))


def borders(columns, tiles):
    """Smallest and largest x of each tile's core, metres."""
    along = [columns.place[columns.rows(tile.core)][:, 0] * columns.width for tile in tiles]
    return np.array([(x.min(), x.max() + columns.width) for x in along])


def test_a_cut_goes_between_objects_not_through_them(rng):
    table = box((4.2, 2.0, 0.5), (1.6, 3.0, 0.8), 20_000, rng)  # over the middle of the long side
    columns = columns_of(np.concatenate([floor(8, 4), table]))
    low, _ = borders(columns, plan_tiles(columns, 0.7 * columns.counts.sum(), 0.2)).T
    assert not ((low > 3.5) & (low < 4.9)).any()
    assert len(low) > 1


def test_a_cut_prefers_a_wall_to_free_floor(rng):
    wall = box((4.8, 2.0, 1.2), (0.1, 4.0, 2.4), 60_000, rng)
    columns = columns_of(np.concatenate([floor(8, 4), wall]))
    low, _ = borders(columns, plan_tiles(columns, 0.45 * columns.counts.sum(), 0.2)).T
    assert ((low > 4.6) & (low < 5.0)).any()


def test_a_new_room_is_a_tile_of_its_own_and_the_others_stay(rng):
    house = floor(10, 5)
    before = plan_tiles(columns_of(house), 6000, 0.5)
    columns = columns_of(np.concatenate([house, floor(3, 3, x=10.0), floor(0.3, 0.3, x=-0.3)]))
    after = plan_tiles(columns, 6000, 0.5, before)
    same = [tile for tile in after if tile in before]
    assert len(same) == len(before) - 1  # the odd columns joined one tile
    added = max(
        (tile for tile in after if tile not in before), key=lambda tile: columns.place[columns.rows(tile.core)].max()
    )
    assert (columns.place[columns.rows(added.core)][:, 0] >= 100).all()
    assert columns.place[columns.rows(added.region)][:, 0].min() == 95


def room(x, rng, width=3.0, depth=3.0):
    """Points of a room from x on that was seen in part: walls up to 1.4 m, a ring of floor along them."""
    ground = floor(width, depth, x=x)
    middle = (np.abs(ground[:, 0] - x - width / 2) < width / 2 - 0.8) & (np.abs(ground[:, 1] - depth / 2) < 0.7)
    sides = [(x + 0.05, depth / 2, 0.1, depth), (x + width - 0.05, depth / 2, 0.1, depth)]
    sides += [(x + width / 2, 0.05, width, 0.1), (x + width / 2, depth - 0.05, width, 0.1)]
    walls = [box((*side[:2], 0.8), (*side[2:], 1.2), 40_000, rng) for side in sides]
    return np.concatenate([ground[~middle], *walls])


def test_rooms_are_separated_by_half_seen_walls(rng):
    columns = columns_of(np.concatenate([room(0.0, rng), room(3.0, rng), room(6.0, rng)]))
    tiles = plan_tiles(columns, 0.4 * columns.counts.sum(), 0.5)
    np.testing.assert_allclose(sorted(borders(columns, tiles)[:, 0]), [0.0, 3.0, 6.0], atol=0.2)
    assert all(len(tile.region) == len(tile.core) for tile in tiles)  # margins end at walls


@pytest.mark.slow
def test_where_a_map_has_its_zero_does_not_matter(rng):
    house = np.concatenate([room(0.0, rng), room(3.0, rng)])
    one, other = columns_of(house), columns_of(house + np.float32([20 * VOXEL, -30 * VOXEL, -40 * VOXEL]))
    for name in ("room", "cost", "counts"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.slow
def test_a_cupboard_at_a_wall_and_noise_behind_it_belong_to_their_room(rng):
    front = box((2.35, 1.5, 0.95), (0.1, 1.6, 1.9), 40_000, rng)  # 0.6 m before the wall to the next room
    top = floor(0.6, 1.6, x=2.4, y=0.7, z=1.85)
    noise = box((3.25, 1.5, 0.5), (0.1, 3.0, 0.6), 300, rng)  # behind the wall, on the next room's side
    gap = 0.4
    house = [room(0.0, rng), front, top, noise, room(3.0 + gap, rng), room(6.0 + 2 * gap, rng)]
    columns = columns_of(np.concatenate(house))
    tiles = plan_tiles(columns, 0.5 * columns.counts.sum(), 0.5)
    left = min(tiles, key=lambda tile: columns.place[columns.rows(tile.core)].mean(axis=0)[0])
    inside = columns_of(np.concatenate([room(0.0, rng), front, top])).keys
    assert np.isin(inside, left.core).mean() > 0.98


def rooms_at(columns, *places):
    """Number of the room of the columns at some (x, y), metres."""
    keys = [
        np.flatnonzero((columns.place == np.floor(np.array(place) / columns.width)).all(axis=1)) for place in places
    ]
    return [int(columns.room[row]) for (row,) in keys]


def partition(x, pieces, rng):
    """A wall of 3 m along y, both faces at x and 0.14 m further on, of which some `pieces` (from, to) were seen."""
    faces = [(x + side, (a + b) / 2, 1.0, b - a) for side in (0.0, 0.14) for a, b in pieces]
    return np.concatenate([box((x, y, z), (0.04, length, 2.0), 20_000, rng) for x, y, z, length in faces])


def test_unseen_openings_do_not_join_rooms(rng):
    seen = [(0.0, 0.3), (1.0, 1.2), (1.9, 2.1), (2.8, 3.0)]  # furniture stood before the rest
    house = [floor(3, 3), partition(3.02, seen, rng), floor(3, 3, x=3.2)]
    left, right = rooms_at(columns_of(np.concatenate(house)), (1.5, 1.5), (4.5, 1.5))
    assert left != right


def test_a_door_separates_rooms_and_furniture_does_not(rng):
    house = floor(6.2, 3)
    left, right = rooms_at(
        columns_of(np.concatenate([house, partition(3.0, [(0.9, 3.0)], rng)])), (1.5, 1.5), (4.5, 1.5)
    )
    assert left != right
    left, right = rooms_at(
        columns_of(np.concatenate([house, partition(3.0, [(0.9, 2.1)], rng)])), (1.5, 1.5), (4.5, 1.5)
    )
    assert left == right


def test_unseen_floor_is_part_of_a_room(rng):
    ground = floor(6.2, 3)
    strips = ground[ground[:, 0] % 0.6 > 0.35]
    walls = [partition(x, [(0.0, 3.0)], rng) for x in (0.0, 3.0, 6.0)]
    left, *rest = rooms_at(columns_of(np.concatenate([strips, *walls])), (0.55, 1.5), (2.35, 1.5), (4.15, 1.5))
    assert rest[0] == left != rest[1]


@pytest.mark.slow
def test_a_courtyard_does_not_join_rooms(rng):
    ground = floor(8, 8)
    house = ground[np.abs(ground - 4).max(axis=1, where=[True, True, False], initial=0) > 1.5]
    inner = [(4.0, 2.45, 3.0, 0.1), (4.0, 5.55, 3.0, 0.1), (2.45, 4.0, 0.1, 3.0), (5.55, 4.0, 0.1, 3.0)]
    parting = [(4.0, 1.2, 0.1, 2.4), (4.0, 6.8, 0.1, 2.4), (1.2, 4.0, 2.4, 0.1), (6.8, 4.0, 2.4, 0.1)]
    walls = np.concatenate([box((x, y, 1.0), (w, d, 2.0), 60_000, rng) for x, y, w, d in inner + parting])
    hidden = (np.abs(walls[:, 0] - 3.2) < 0.6) & (walls[:, 1] > 2.3) & (walls[:, 1] < 2.7)  # a part of the court's wall
    hidden |= (np.abs(walls[:, 0] - 4.8) < 0.6) & (walls[:, 1] > 5.3) & (walls[:, 1] < 5.7)
    columns = columns_of(np.concatenate([house, walls[~hidden]]))
    assert len(set(rooms_at(columns, (1, 1), (7, 1), (1, 7), (7, 7)))) == 4


def test_a_wall_belongs_to_the_room_that_it_touches(rng):
    ground = floor(3, 3)
    hidden = (ground[:, 0] > 2.3) & (np.abs(ground[:, 1] - 1.5) < 1.2)  # behind furniture, before the wall
    side = box((1.5, 0.05, 1.0), (3.0, 0.1, 2.0), 60_000, rng)
    wall = box((2.97, 1.5, 1.0), (0.04, 3.0, 2.0), 60_000, rng)
    columns = columns_of(np.concatenate([ground[~hidden], side, wall, floor(3, 3, x=3.15)]))
    left, right, *at_wall = rooms_at(columns, (1.5, 1.5), (4.5, 1.5), *((2.97, y) for y in (0.5, 1.0, 1.5, 2.0, 2.5)))
    assert left != right
    assert set(at_wall) == {left}


@pytest.mark.slow
def test_a_stray_point_kilometres_away_costs_no_more_than_the_rooms(rng):
    house = [room(0.0, rng), room(3.0, rng)]
    assert len(set(columns_of(np.concatenate(house)).room)) == 2
    columns = columns_of(np.concatenate([*house, np.float32([[5000, 5000, 1]])]))  # a grid of it all would take 2.5 GB
    assert set(columns.room) == {0}


def test_a_growing_room_keeps_the_tiles_next_to_it(rng):
    old = room(0.0, rng)
    before = plan_tiles(columns_of(old), 20_000, 0.5)
    scraps = floor(0.2, 2.0, x=3.0)  # behind the new room's wall, nearest to the old room
    columns = columns_of(np.concatenate([old, scraps, room(3.2, rng)]))
    assert plan_tiles(columns, 20_000, 0.5, before)[: len(before)] == before


# --- merging ---------------------------------------------------------------------------------------------------------


def masks_of(rows, scores=None, features=None):
    count = len(rows)
    scores = np.linspace(0.9, 0.5, count) if scores is None else scores
    features = np.tile([1.0, 0.0], (count, 1)) if features is None else features
    rows = tuple(np.asarray(part, dtype=np.int32) for part in rows)
    return Masks(rows, np.asarray(scores, np.float32), np.ones(count, np.float32), np.asarray(features, np.float32))


SEEN = [np.arange(0, 60), np.arange(40, 100)]  # two tiles on a line of 100 voxels, cut at 50
OWNER = np.repeat([0, 1], 50).astype(np.int32)


def test_an_object_across_a_cut_becomes_one():
    left, right = masks_of([range(35, 60), range(0, 10)]), masks_of([range(40, 70)], [0.6])
    merged = merge_tiles({0: left, 1: right}, SEEN, OWNER, 0.7)
    assert [part.tolist() for part in merged.rows] == [list(range(0, 10)), list(range(35, 70))]
    assert merged.objectness[1] == pytest.approx((25 * 0.9 + 30 * 0.6) / 55)


def test_other_things_at_a_cut_stay_apart():
    apart = merge_tiles({0: masks_of([range(40, 60)]), 1: masks_of([range(55, 80)])}, SEEN, OWNER, 0.7)
    other = masks_of([range(40, 60)], features=[[0.0, 1.0]])
    named = merge_tiles({0: masks_of([range(40, 60)]), 1: other}, SEEN, OWNER, 1.0)
    assert len(apart) == len(named) == 2


def test_masks_in_the_margin_are_left_to_the_owning_tile():
    merged = merge_tiles({0: masks_of([range(52, 60)]), 1: masks_of([range(51, 75)], [0.3])}, SEEN, OWNER, 0.7)
    assert [part.tolist() for part in merged.rows] == [list(range(51, 75))]


def test_merging_what_is_merged_changes_nothing(rng):
    parts = {
        t: masks_of([np.sort(rng.choice(seen, 12, replace=False)) for _ in range(15)]) for t, seen in enumerate(SEEN)
    }
    once = merge_tiles(parts, SEEN, OWNER, 0.3)
    once = once[np.argsort(-once.confidence, kind="stable")]
    again = merge_tiles({0: once}, [np.arange(100)], np.zeros(100, np.int32), 0.3)
    assert len(once) > 5
    for a, b in zip(dataclasses.astuple(once), dataclasses.astuple(again)):
        np.testing.assert_array_equal(a, b)


def test_duplicates_are_removed_as_in_one_tile(rng):
    dense = rng.random((80, 40)) < 0.3
    dense[:, 20:] = dense[:, :20] ^ (rng.random((80, 20)) < 0.05)
    from scipy.sparse import csr_matrix

    kept = suppress_duplicates(csr_matrix(dense.T.astype(np.float32)), 0.6, np.zeros(40))
    np.testing.assert_array_equal(kept, non_max_suppression(mask_iou(torch.from_numpy(dense)), 0.6).numpy())
    assert 0 < len(kept) < 40


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from((0.0, 0.1, 0.3, 0.5, 1.0)))
def test_settled_masks_are_a_prefix_of_the_result(seed, nms_iou):
    rng = np.random.default_rng(seed)
    cuts = np.array([0, 30, 60, 90, 120])  # four tiles on a line, seeing 15 voxels over their borders
    seen = [np.arange(max(low - 15, 0), min(high + 15, 120)) for low, high in itertools.pairwise(cuts)]
    owner = np.repeat(np.arange(4), 30)
    things = [(start, start + rng.integers(4, 20)) for start in rng.integers(0, 110, 25)]
    parts = {}
    for tile in rng.permutation(4):
        rows = [
            np.intersect1d(seen[tile], np.arange(a + rng.integers(-1, 2), b + rng.integers(-1, 2))) for a, b in things
        ]
        kept = [k for k, part in enumerate(rows) if len(part) > 1 and rng.random() < 0.8]
        features = np.eye(8)[[k % 8 for k in kept]].reshape(-1, 8)
        parts[int(tile)] = masks_of([rows[k] for k in kept], rng.uniform(0.2, 0.9, len(kept)), features)
    whole = merge_tiles(parts, seen, owner, nms_iou)
    sizes = [0]
    for count in (1, 2, 3, 4):
        some = merge_tiles(dict(list(parts.items())[:count]), seen, owner, nms_iou)
        sizes.append(len(some))
        for a, b in zip(dataclasses.astuple(some), dataclasses.astuple(whole[: len(some)])):
            assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert sizes == sorted(sizes)
    assert sizes[-1] == len(whole)


# --- voxels of a map that grows --------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_an_updated_grid_equals_a_new_one(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    before = colored(rng.uniform(-1, 1, (300, 3)).astype(np.float32))
    number = data.draw(st.integers(150, 450))  # points removed or added at the end
    xyz = np.resize(before.xyz, (number, 3)).copy()
    xyz[300:] += 0.3
    rgb = np.resize(before.rgb, (number, 3)).copy()
    moved = data.draw(st.lists(st.integers(0, number - 1), max_size=60))
    xyz[moved] = rng.uniform(-2, 2, (len(moved), 3))
    rgb[data.draw(st.lists(st.integers(0, number - 1), max_size=10))] ^= 1
    cloud, alignment = (
        Cloud(xyz, rgb, "map"),
        Alignment(data.draw(st.sampled_from((0.0, 0.7))), np.float32([0.1, 0.2, -1])),
    )
    fast = update_grid(make_grid(before, alignment, 0.1), before, cloud, alignment)
    slow = make_grid(cloud, alignment, 0.1)
    for a, b in zip(*((g.level.key, g.positions, g.features, g.point_to_voxel, g.counts) for g in (fast, slow))):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


# --- the segmenter ---------------------------------------------------------------------------------------------------


def config(**values):
    return Config().with_values({"nms_iou": 0.5, "min_points": 1, "tile_margin": 0.3, "tile_voxels": 2000, **values})


@pytest.fixture
def hall(rng):
    """5 x 3 m of floor with boxes."""
    boxes = [box((x, y, 0.3), (0.5, 0.5, 0.6), 600, rng) for x in (0.8, 2.2, 4.0) for y in (0.8, 2.2)]
    return colored(np.concatenate([floor(5, 3), *boxes]))


def best_first(instances):
    """The instances without the order in which tiles were looked at."""
    return instances[np.argsort(-instances.confidence, kind="stable")]


def same(a, b):
    assert len(a) == len(b) > 1
    a, b = best_first(a), best_first(b)
    for one, other in zip(a.masks, b.masks):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(a.features, b.features)
    assert [box.center.tolist() for box in a.boxes] == [box.center.tolist() for box in b.boxes]


@pytest.mark.slow
def test_a_map_that_fits_is_not_cut(hall):
    cut, in_one = segmenter(), config(tile_voxels=100_000)
    alignment = Alignment.of(hall, along_walls=False)
    grid = make_grid(hall, alignment, VOXEL)
    voxels = VoxelMap(alignment.to_map(grid.positions.numpy()), grid.point_to_voxel.int().numpy(), VOXEL)
    with torch.inference_mode():
        prediction = cut.backend.predict(grid, cut.orders)
    surroundings = Surroundings.of(voxels.positions, alignment.wall_yaw)
    wanted = extract_instances(prediction, voxels, in_one.postprocess, surroundings=surroundings)
    for _ in range(2):
        found = cut.segment(hall, in_one)
        same(found.instances, wanted)
        assert found.report.tiles == 1
        cut.segment(hall, config())  # what is known of tiles does not matter


def test_a_large_map_is_processed_in_tiles(hall):
    *partial, found = segmenter().segment_in_parts(hall, config())
    tiles = found.report.tiles
    assert tiles == found.report.computed > 3
    steps = [(one.next_tile, one.report.tiles, one.report.computed) for one in partial]
    assert steps == [(number, tiles, number - 1) for number in range(1, tiles + 1)]
    assert len(found.instances) > 10  # the network has 10 queries
    assert all(mask.dtype == np.int32 and (np.diff(mask) > 0).all() for mask in found.instances.masks)


@pytest.mark.slow
def test_partial_results_are_prefixes_of_the_result(rng):
    house = colored(np.concatenate([room(x, rng) for x in (0.0, 3.0, 6.0)]))
    smaller = config(tile_voxels=8000)
    first, *partial, found = segmenter().segment_in_parts(house, smaller)
    assert len(partial) == found.report.tiles - 1 > 1
    assert len(first.instances) == 0
    partial, found = [one.instances for one in partial], found.instances
    for one, other in zip(partial, [*partial[1:], found]):
        assert len(one) <= len(other)
        for a, b in zip(one.masks, other.masks):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(one.features, other.features[: len(one)])
    assert 0 < len(partial[0]) < len(partial[-1]) < len(found)
    unseen = segmenter().segment(house, smaller).instances
    assert [mask.tolist() for mask in found.masks] == [mask.tolist() for mask in unseen.masks]


def test_unchanged_tiles_do_not_run_again(hall):
    cut = segmenter()
    first, again = cut.segment(hall, config()), cut.segment(hall, config())
    same(first.instances, again.instances)
    assert again.report.computed == 0
    report = cut.segment(hall, config(objectness_threshold=0.01)).report
    assert report.computed == report.tiles


@pytest.mark.slow
def test_only_tiles_that_changed_run_again_and_the_result_is_that_of_a_full_run(hall, rng):
    cut = segmenter()
    cut.segment(hall, config())
    more = colored(box((4.5, 1.5, 0.4), (0.3, 0.3, 0.3), 300, rng), seed=1)
    grown = join(hall, more)
    part = cut.segment(grown, config())
    assert 0 < part.report.computed < part.report.tiles
    cut._tiles._known.clear()  # the same plan, and nothing known
    whole = cut.segment(grown, config())
    same(part.instances, whole.instances)
    assert whole.report.computed == whole.report.tiles


def test_small_changes_wait_for_the_threshold(hall):
    cut = segmenter()
    cut.segment(hall, config())
    less = hall[~((hall.xyz[:, 0] < 0.2) & (hall.xyz[:, 1] < 0.2))]
    found = cut.segment(less, config(change_threshold=0.2))
    assert found.report.computed == 0
    assert max(mask.max() for mask in found.instances.masks) < len(found.instances.voxels)
    assert cut.segment(less, config(change_threshold=0.0)).report.computed > 0


def test_a_tile_that_a_few_columns_join_waits_for_the_threshold_too(hall):
    cut = segmenter()
    cut.segment(hall, config())
    more = colored(floor(0.2, 0.2, x=-0.2))
    grown = join(hall, more)
    assert cut.segment(grown, config(change_threshold=0.2)).report.computed == 0
    assert cut.segment(grown, config()).report.computed == 1


def test_stray_points_do_not_rerun_a_tile_but_a_small_object_does(hall):
    cut = segmenter()
    cut.segment(hall, config())
    cube = np.stack(np.meshgrid(*[np.float32([0.01, 0.06])] * 3), axis=-1).reshape(-1, 3) + (1, 1, 2)  # 8 voxels
    apart = np.concatenate([cube[:7], cube[:7] + (0.5, 0, 0)])
    assert cut.segment(join(hall, colored(apart.astype(np.float32))), config()).report.computed == 0
    assert cut.segment(join(hall, colored(cube.astype(np.float32))), config()).report.computed > 0


def test_a_change_of_many_single_voxels_runs_the_tile_again(hall):
    cut = segmenter()
    cut.segment(hall, config())
    rgb = hall.rgb.copy()
    rgb[hall.xyz[:, 2] < 0.02] ^= 1
    report = cut.segment(Cloud(hall.xyz, rgb, "map"), config()).report
    assert report.computed == report.tiles


def test_another_frame_is_another_map(hall):
    cut = segmenter()
    cut.segment(hall, config())
    report = cut.segment(dataclasses.replace(hall, frame_id="odom"), config()).report
    assert report.computed == report.tiles


def test_cancel_works_between_tiles(hall):
    cut = segmenter()
    parts = cut.segment_in_parts(hall, config())
    assert [next(parts).next_tile, next(parts).next_tile] == [1, 2]
    cut.cancel()
    with pytest.raises(Cancelled):
        next(parts)


# --- memory ----------------------------------------------------------------------------------------------------------


class SmallBackend:
    """A backend that has memory for a limited number of voxels."""

    name_head = None

    def __init__(self, backend, limit, error):
        self.backend, self.limit, self.error, self.name, self.sizes = backend, limit, error, "small", []

    def predict(self, grid, orders):
        self.sizes.append(len(grid))
        if len(grid) > self.limit:
            raise self.error
        return self.backend.predict(grid, orders)


OUT_OF_MEMORY = [
    torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried to allocate"),
    MemoryError(),
]


@pytest.mark.slow
@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
def test_out_of_memory_is_tried_once_more_in_smaller_pieces(hall, error):
    cut = segmenter()
    whole = cut.segment(hall, config(tile_voxels=10_000)).instances
    cut.backend = SmallBackend(cut.backend, len(whole.voxels) // 2, error)
    found = cut.segment(hall, config(tile_voxels=10_000))
    assert len(found.instances) > 1
    assert max(cut.backend.sizes[1:]) <= len(whole.voxels) // 2
    assert found.report.tiles > 1
    assert "out of memory" in found.report.remarks[0]


def test_out_of_memory_twice_is_an_error_with_advice_and_the_next_map_works(hall):
    cut = segmenter()
    real, cut.backend = cut.backend, SmallBackend(cut.backend, 10, OUT_OF_MEMORY[0])
    with pytest.raises(SpaceformerError, match="out of memory: set max_memory_gb"):
        cut.segment(hall, config())
    cut.backend = real
    assert len(cut.segment(hall, config()).instances) > 1


def test_other_errors_are_not_handled_as_out_of_memory(hall):
    cut = segmenter()
    cut.backend = SmallBackend(cut.backend, 0, RuntimeError("shape mismatch"))
    with pytest.raises(RuntimeError, match="shape mismatch"):
        cut.segment(hall, config())
    assert len(cut.backend.sizes) == 1
    assert not is_out_of_memory(ValueError("out of memory"))


def test_the_memory_of_the_network_is_measured(hall):
    cut = segmenter()
    estimate = cut.meter.bytes_per_voxel
    cut.segment(colored(np.concatenate([floor(5, 5), floor(5, 5, z=1.0)])), config(tile_voxels=100_000))
    assert 100 < cut.meter.bytes_per_voxel < estimate


def test_reused_memory_is_not_measured_as_zero():
    meter = MemoryMeter(segmenter().backend.model.config, torch.device("cpu"), torch.float32)
    with meter.measure(10_000):
        pass
    assert meter.bytes_per_voxel > 100


@pytest.mark.slow
def test_less_memory_means_smaller_tiles(hall):
    cut = segmenter(ON_CPU)
    assert cut.segment(hall, config(tile_voxels=100_000, max_memory_gb=0.001)).report.tiles > 1


def test_memory_that_failed_is_remembered():
    meter = MemoryMeter(segmenter().backend.model.config, torch.device("cpu"), torch.float32)
    meter.failed(1000, 0.0)
    assert meter.voxels(0.0) < 1000
