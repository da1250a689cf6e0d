# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from helpers.networks import level_of, random_level
from helpers.reference import dense_convolution

from spaceformer_ros import SpaceformerError
from spaceformer_ros.network import layers
from spaceformer_ros.network.layers import SparseConv3d, max_pool
from spaceformer_ros.network.neighbours import find_neighbour_pairs
from spaceformer_ros.network.packing import pack, unpack, voxel_coords
from spaceformer_ros.network.voxels import VoxelGrid


def test_voxels_multiply_by_the_float32_reciprocal_as_cuda_does():
    # Exact multiples of 2 cm: true division puts many of them one voxel lower; the published model never saw that.
    xyz = torch.arange(0, 2000, dtype=torch.float32)[:, None].repeat(1, 3) * 0.02
    expected = torch.floor(xyz * 50.0).long()
    assert torch.equal(voxel_coords(xyz, 0.02), expected)
    assert not torch.equal(torch.floor(xyz / 0.02).long(), expected)


def test_negative_coordinates_floor_downwards():
    xyz = torch.tensor([[-0.001, 0.0, 0.019], [-0.021, -0.02, 0.021]])
    assert voxel_coords(xyz, 0.02).tolist() == [[-1, 0, 0], [-2, -1, 1]]


def test_a_cloud_beyond_the_key_range_is_refused_with_the_limit():
    with pytest.raises(SpaceformerError, match=r"reaches 3000 m .* limit is 2621"):
        voxel_coords(torch.tensor([[3000.0, 0.0, 0.0]]), 0.02)


def test_packing_is_invertible_and_ordered():
    rng = np.random.default_rng(1)
    coords, scene = torch.as_tensor(rng.integers(-131064, 131064, (500, 3))), torch.as_tensor(rng.integers(0, 511, 500))
    key = pack(coords, scene)
    back, back_scene = unpack(key)
    assert torch.equal(back, coords)
    assert torch.equal(back_scene, scene)
    order = np.lexsort((*coords.numpy().T[::-1], scene.numpy()))
    assert torch.equal(torch.argsort(key), torch.as_tensor(order))


def test_features_are_means_and_do_not_depend_on_the_order_of_points():
    rng = np.random.default_rng(2)
    xyz = torch.as_tensor(rng.uniform(-1, 1, (5000, 3)), dtype=torch.float32)
    colors = torch.as_tensor(rng.uniform(-1, 1, (5000, 3)), dtype=torch.float32)
    grid = VoxelGrid.from_points(xyz, colors, 0.1)
    members = grid.point_to_voxel == 17
    torch.testing.assert_close(grid.features[17], colors[members].mean(dim=0))
    torch.testing.assert_close(grid.positions[17], xyz[members].mean(dim=0))
    shuffle = torch.as_tensor(rng.permutation(5000))
    again = VoxelGrid.from_points(xyz[shuffle], colors[shuffle], 0.1)
    assert torch.equal(again.features, grid.features)
    assert torch.equal(again.point_to_voxel, grid.point_to_voxel[shuffle])


def test_an_empty_cloud_is_refused():
    with pytest.raises(SpaceformerError, match="no points"):
        VoxelGrid.from_points(torch.zeros(0, 3), torch.zeros(0, 3), 0.02)


@pytest.mark.parametrize("size", [3, 5])
def test_neighbour_pairs_equal_a_dictionary(size):
    level = random_level()
    where = {tuple(c): row for row, c in enumerate(level.coords.tolist())}
    pairs, r = find_neighbour_pairs(level.key, size), size // 2
    offsets = [(i - r, j - r, k - r) for i in range(size) for j in range(size) for k in range(size)]
    for offset, inputs, outputs in zip(offsets, pairs.inputs, pairs.outputs):
        expected = {
            (where[neighbour], row)
            for (x, y, z), row in where.items()
            if (neighbour := (x + offset[0], y + offset[1], z + offset[2])) in where
        }
        assert set(zip(inputs.tolist(), outputs.tolist())) == expected


@pytest.mark.parametrize("size", [3, 5])
def test_the_table_of_neighbours_holds_the_pairs(size):
    coords = torch.cartesian_prod(*[torch.arange(-2, 2)] * 3)[::2]
    for level in (random_level(), level_of([[0, 0, 0]]), level_of(coords.repeat(2, 1), [0] * 32 + [1] * 32)):
        pairs, table = find_neighbour_pairs(level.key, size), level.neighbour_table(size)
        expected = torch.full((size**3, len(level)), len(level), dtype=torch.int32)
        for row, inputs, outputs in zip(expected, pairs.inputs, pairs.outputs):
            row[outputs] = inputs.int()
        assert torch.equal(table, expected)
        assert level.neighbour_table(size) is table


def test_rows_with_neighbours_at_the_same_offsets_follow_each_other():
    level = random_level(count=300, extent=9)
    plain, (table, order) = level.neighbour_table(3), level.sorted_neighbours(3)
    assert sorted(order.tolist()) == list(range(len(level)))
    assert torch.equal(table, plain[:, order.long()])
    there = (table < len(level)).t()
    assert (there[1:] != there[:-1]).any(dim=1).sum() + 1 == len(torch.unique(there, dim=0))
    assert level.sorted_neighbours(5)[1] is None


def test_neighbours_never_cross_scenes():
    coords = torch.tensor([[0, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 1]])
    level = level_of(coords, [0, 0, 1, 1])
    assert find_neighbour_pairs(level.key, 3).total == 4 + 4  # four centres, and one pair each way per scene


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("sums", [1 << 21, 6 * 50])  # all voxels at once, or pieces of 50
def test_sparse_convolution_equals_dense_conv3d(monkeypatch, size, sums):
    monkeypatch.setitem(layers.CONVOLUTION_SUMS, "cpu", sums)
    level = random_level()
    torch.manual_seed(0)
    convolution = SparseConv3d(4, 6, size)
    convolution.bias.data.normal_()
    x = torch.randn(len(level), 4)
    expected = dense_convolution(level.coords, x, convolution.weight, convolution.bias)
    torch.testing.assert_close(convolution(x, level), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("pieces", [1 << 19, 1])
def test_a_narrow_convolution_as_one_product_equals_the_plain_path(monkeypatch, pieces):
    monkeypatch.setitem(layers.PIECE_VALUES, "cpu", pieces)
    torch.manual_seed(0)
    for level in (random_level(extent=14, count=700), level_of([[0, 0, 0]])):
        convolution, x = SparseConv3d(5, 6, 3), torch.randn(len(level), 5)
        convolution.bias.data.normal_()
        with torch.no_grad():
            expected = layers.plain_convolution(x, convolution.weight, convolution.bias, level, 3)
            monkeypatch.setattr(layers, "plain_convolution", None)  # not used below
            torch.testing.assert_close(convolution(x, level), expected, atol=1e-5, rtol=1e-5)
            monkeypatch.undo()
        monkeypatch.setitem(layers.PIECE_VALUES, "cpu", pieces)


@pytest.mark.parametrize("sums", [1 << 21, 4 * 25])
def test_sparse_convolution_gradients_equal_dense_ones(monkeypatch, sums):
    monkeypatch.setitem(layers.CONVOLUTION_SUMS, "cpu", sums)
    level = random_level(count=60, extent=5)
    torch.manual_seed(0)
    convolution = SparseConv3d(3, 4, 3)
    x = torch.randn(len(level), 3, requires_grad=True)
    upstream = torch.randn(len(level), 4)
    ours = torch.autograd.grad((convolution(x, level) * upstream).sum(), [x, convolution.weight, convolution.bias])
    dense = dense_convolution(level.coords, x, convolution.weight, convolution.bias)
    theirs = torch.autograd.grad((dense * upstream).sum(), [x, convolution.weight, convolution.bias])
    for a, b in zip(ours, theirs):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


def test_coarser_levels_halve_towards_minus_infinity():
    level = level_of([[-3, -2, -1], [-1, 0, 1], [-2, -1, 0]])
    assert {tuple(c) for c in level.coarser.coords.tolist()} == {(-2, -1, -1), (-1, 0, 0), (-1, -1, 0)}
    halved = torch.div(level.coords, 2, rounding_mode="floor")
    assert torch.equal(level.coarser.coords[level.parent], halved)


def test_max_pool_takes_existing_children_only_also_at_negative_coordinates():
    level = level_of([[-1, -1, -1], [-2, -2, -2], [0, 0, 0]])
    x = torch.tensor([[-5.0, 1.0], [-7.0, 2.0], [-1.0, -3.0]])
    pooled = max_pool(x[torch.argsort(torch.argsort(level.key))], level.parent, len(level.coarser))
    children = {tuple(c): x for c, x in zip(level.coords.tolist(), x.tolist())}
    expected = {
        (-1, -1, -1): [max(a, b) for a, b in zip(children[-1, -1, -1], children[-2, -2, -2])],
        (0, 0, 0): children[0, 0, 0],
    }
    assert {tuple(c): row for c, row in zip(level.coarser.coords.tolist(), pooled.tolist())} == expected


def test_local_coordinates_start_at_zero_in_every_scene():
    level = level_of([[-5, 3, 2], [-4, 3, 9], [7, 7, 7], [9, 8, 7]], [0, 0, 1, 1])
    first, second = level.local_coords.split(level.cloud_sizes)
    assert first.amin(dim=0).tolist() == [0, 0, 0]
    assert second.tolist() == [[0, 0, 0], [2, 1, 0]]
