# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from helpers.instances import extract_instances
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from spaceformer_ros.config import PostprocessConfig
from spaceformer_ros.grids.groups import touching_pairs, unique_rows
from spaceformer_ros.instances import VoxelMap
from spaceformer_ros.network.decoder import Prediction
from spaceformer_ros.segment import postprocess
from spaceformer_ros.segment.components import radius_components
from spaceformer_ros.segment.mask_boxes import without_specks
from spaceformer_ros.segment.postprocess import (
    mask_iou,
    mask_overlap,
    mask_to_rows,
    non_max_suppression,
    score_masks,
)


def voxel_map(count=100, points_per_voxel=3):
    positions = np.column_stack([np.arange(count) * 0.05, np.zeros(count), np.zeros(count)]).astype(np.float32)
    return VoxelMap(positions, np.repeat(np.arange(count, dtype=np.int32), points_per_voxel), 0.05)


def prediction(ranges, count=100, inside=4.0, objectness=None):
    """Queries whose masks are the given (start, stop) ranges of voxels."""
    logits = torch.full((count, len(ranges)), -6.0)
    for q, (start, stop) in enumerate(ranges):
        logits[start:stop, q] = inside
    objectness = torch.tensor(objectness or [2.0] * len(ranges))
    features = torch.eye(len(ranges), 8)
    return Prediction(logits, torch.stack([objectness, torch.zeros(len(ranges))], dim=1), features)


def test_mask_scores_are_the_mean_sigmoid_inside_and_sizes_count_points(monkeypatch):
    monkeypatch.setitem(postprocess.CHUNK, "cpu", 2)
    logits = torch.tensor([[2.0, -1.0], [1.0, -1.0], [-3.0, -1.0]])
    masks, score, sizes = score_masks(logits, np.array([3, 4, 5]), 0.0)
    assert masks.tolist() == [[True, False], [True, False], [False, False]]
    torch.testing.assert_close(score, torch.tensor([torch.tensor([2.0, 1.0]).sigmoid().mean(), 0.0]))
    assert sizes.tolist() == [7, 0]


def test_objectness_is_the_softmax_of_the_first_logit():
    found = extract_instances(prediction([(0, 10)], objectness=[1.5]), voxel_map(), PostprocessConfig())
    assert found.objectness.tolist() == pytest.approx([torch.tensor(1.5).sigmoid().item()])


def test_of_two_overlapping_masks_the_better_one_stays():
    found = extract_instances(
        prediction([(0, 20), (1, 20), (50, 60)], objectness=[1.0, 3.0, 2.0]), voxel_map(), PostprocessConfig()
    )
    assert [rows.tolist() for rows in found.masks] == [list(range(1, 20)), list(range(50, 60))]
    assert found.num_points.tolist() == [57, 30]
    assert np.allclose(found.features, np.eye(3, 8)[[1, 2]])
    assert np.allclose(found.boxes[0].size, [18 * 0.05, 0, 0], atol=1e-6)


@pytest.mark.parametrize(("limit", "kept"), [(1.0, [0, 1, 2]), (0.95, [0, 1, 2]), (0.7, [0, 2])])
def test_nms_limit(limit, kept):
    masks = torch.zeros(100, 3, dtype=torch.bool)
    masks[:20, 0], masks[1:20, 1], masks[10:50, 2] = True, True, True  # IoU 0.95 and 0.2
    assert non_max_suppression(mask_iou(masks), limit).tolist() == kept


def test_duplicates_are_averaged_into_the_remaining_mask():
    wanted = prediction([(0, 20), (2, 22), (3, 20), (50, 60)], objectness=[1.0, 0.0, 0.0, 0.5])
    alone = extract_instances(wanted, voxel_map(), PostprocessConfig())
    fused = extract_instances(wanted, voxel_map(), PostprocessConfig(), fuse_iou=0.5)
    assert [rows.tolist() for rows in alone.masks] == [list(range(20)), list(range(50, 60))]
    assert [rows.tolist() for rows in fused.masks] == [list(range(2, 20)), list(range(50, 60))]  # two of three see 2
    sure, unsure = torch.tensor([1.0, 0.0]).sigmoid().tolist()
    share = np.array([sure, unsure, unsure]) / (sure + 2 * unsure)  # mask scores are alike
    assert np.allclose(fused.features[0], [*share, *[0] * 5], atol=1e-3)
    assert np.allclose(fused.features[1], np.eye(8)[3])
    assert fused.objectness.tolist() == alone.objectness.tolist()
    inside, outside = torch.tensor([4.0, -6.0]).sigmoid().tolist()
    voxel_2 = inside * (share[0] + share[1]) + outside * share[2]
    assert fused.mask_score[0] == pytest.approx((voxel_2 + 17 * inside) / 18, rel=1e-3)


def test_a_duplicate_below_the_limit_is_not_averaged():
    wanted = prediction([(0, 20), (6, 20), (50, 60)], objectness=[1.0, 0.0, 0.5])  # IoU 0.7
    for limit in (0.7, 1.0):
        found = extract_instances(wanted, voxel_map(), PostprocessConfig(), 0.3, fuse_iou=limit)
        assert [rows.tolist() for rows in found.masks] == [list(range(20)), list(range(50, 60))]
        assert np.allclose(found.features[0], np.eye(8)[0])
    nothing = extract_instances(prediction([(0, 0)]), voxel_map(), PostprocessConfig(), fuse_iou=0.5)
    assert len(nothing) == 0


def test_equal_masks_that_all_stay_keep_their_own_features():
    wanted = prediction([(0, 20), (50, 60), (0, 20), (1, 20)], objectness=[1.0, 0.5, 1.0, 0.0])
    everything = PostprocessConfig(nms_iou=1.0, objectness_threshold=0.0)
    found = extract_instances(wanted, voxel_map(), everything, fuse_iou=0.9)
    assert [(len(rows), features.argmax()) for rows, features in zip(found.masks, found.features)] == [
        *((20, 0), (20, 2), (10, 1)),
        (19, 3),
    ]


def test_masks_with_few_points_are_dropped():
    found = extract_instances(prediction([(0, 6), (10, 17)]), voxel_map(), PostprocessConfig())
    assert found.num_points.tolist() == [21]  # 18 points are fewer than 20


def test_thresholds_and_the_limit_on_instances():
    wanted = prediction([(0, 10), (20, 30), (40, 50)], objectness=[3.0, 1.0, -1.0])
    assert len(extract_instances(wanted, voxel_map(), PostprocessConfig(objectness_threshold=0.5))) == 2
    assert len(extract_instances(wanted, voxel_map(), PostprocessConfig(max_instances=1))) == 1
    assert len(extract_instances(wanted, voxel_map(), PostprocessConfig(mask_threshold=5.0))) == 0


def test_nothing_found_is_an_empty_result():
    found = extract_instances(prediction([(0, 0)]), voxel_map(), PostprocessConfig())
    assert len(found) == 0
    assert found.features.shape == (0, 8)
    assert found.voxel_owner([]).tolist() == [-1] * 100


def test_split_components_cuts_masks_that_lie_apart():
    wanted = prediction([(0, 10)])
    wanted.mask_logits[60:70, 0] = 4.0  # 2.5 m away
    whole = extract_instances(wanted, voxel_map(), PostprocessConfig())
    split = extract_instances(wanted, voxel_map(), PostprocessConfig(split_components=True))
    assert [len(rows) for rows in whole.masks] == [20]
    assert [rows.tolist() for rows in split.masks] == [list(range(10)), list(range(60, 70))]
    assert np.array_equal(split.features[0], split.features[1])
    whole = extract_instances(wanted, voxel_map(), PostprocessConfig(split_components=True, split_distance=100.0))
    assert len(whole) < len(split)


@pytest.mark.parametrize("distance", [0.05, 0.1, 0.2, 0.4])
def test_radius_components_equal_the_full_neighbour_graph(rng, distance):
    xyz = rng.random((1500, 3)) * [3, 2, 1]
    pairs = cKDTree(xyz).query_pairs(distance, output_type="ndarray")
    expected = connected_components(coo_matrix((np.ones(len(pairs)), pairs.T), shape=(1500, 1500)))[1]
    found = radius_components(xyz, distance)
    assert len(set(zip(found, expected))) == found.max() + 1 == expected.max() + 1


@pytest.mark.parametrize("density", [0.02, 0.5])  # few voxels in each mask, and many
def test_overlap_counts_shared_voxels(density):
    masks = torch.rand(500, 6, generator=torch.Generator().manual_seed(0)) < density
    expected = [[int((masks[:, a] & masks[:, b]).sum()) for b in range(6)] for a in range(6)]
    assert mask_overlap(masks).tolist() == expected


def test_rows_of_masks():
    masks = torch.tensor([[True, False, True], [False, False, True], [True, False, False]])
    assert [rows.tolist() for rows in mask_to_rows(masks)] == [[0, 2], [], [0, 1]]


@pytest.mark.parametrize("reach", [5, 10**9])  # a number for each row, and rows too far apart for that
def test_unique_rows_and_where_each_row_is_among_them(rng, reach):
    rows = rng.integers(-reach, reach + 1, (20, 4))[rng.integers(20, size=300)]
    unique, number = unique_rows(rows)
    np.testing.assert_array_equal(unique, np.unique(rows, axis=0))
    np.testing.assert_array_equal(unique[number], rows)


@pytest.mark.parametrize("dims", [1, 2, 3, 4])
@pytest.mark.parametrize("stray", [0, 1 << 40])  # a cell far out: no number for each place between
def test_pairs_of_cells_that_touch(rng, dims, stray):
    cells = np.unique(rng.integers(-6, 7, (400, dims)), axis=0)
    cells = np.concatenate([cells, np.full((1, dims), 20 + stray)])
    apart = np.abs(cells[:, None] - cells[None]).max(axis=2)
    wanted = np.argwhere(np.triu(apart == 1))
    np.testing.assert_array_equal(np.unique(np.sort(touching_pairs(cells), axis=1), axis=0), wanted)


def test_specks_do_not_enlarge_boxes(rng):
    xyz = np.concatenate([rng.random((5000, 3)), [[5.0, 5.0, 5.0]] * 3])
    assert [len(part) for part in without_specks([xyz, xyz[-3:]])] == [5000, 3]  # each mask by itself


def test_points_belong_to_the_instance_with_the_highest_score():
    found = extract_instances(prediction([(0, 20), (12, 30)]), voxel_map(), PostprocessConfig())
    assert found.voxel_owner([0.9, 0.5])[[5, 15, 25, 40]].tolist() == [0, 0, 1, -1]
    assert found.voxel_owner([0.5, 0.9])[[5, 15, 25, 40]].tolist() == [0, 1, 1, -1]
    assert found.point_mask(1).sum() == 18 * 3


def test_indexing_selects_every_column():
    found = extract_instances(prediction([(0, 20), (40, 60)], objectness=[2.0, 1.0]), voxel_map(), PostprocessConfig())
    second = found[[1]]
    assert (len(second), second.masks[0][0], second.boxes[0]) == (1, 40, found.boxes[1])
    assert np.array_equal(second.features, found.features[[1]])
