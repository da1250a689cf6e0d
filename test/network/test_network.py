# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
import torch.nn.functional as F
from helpers.networks import level_of, made_grid, random_level, tiny_config
from helpers.reference import morton, plain_attention

from spaceformer_ros import SpaceformerError
from spaceformer_ros.network import attention, groups, layers
from spaceformer_ros.network.attention import grouped_attention
from spaceformer_ros.network.decoder import Keys, blocked_voxels, fold, masked_attention
from spaceformer_ros.network.groups import CURVE_ORDERS, Groups, curve_groups, morton_codes, space_groups
from spaceformer_ros.network.model import SpaCeFormer, SpaCeFormerConfig, drawn_orders, fixed_orders, network_input
from spaceformer_ros.network.rotary import rotary_table, rotate
from spaceformer_ros.network.seeds import QuerySeeds, farthest_points
from spaceformer_ros.network.voxels import VoxelGrid

# --- curves and windows -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "codes"),
    [
        ("morton_xyz", (1, 2, 4)),
        ("morton_xzy", (1, 4, 2)),
        ("morton_yxz", (2, 1, 4)),
        ("morton_yzx", (4, 1, 2)),
        ("morton_zxy", (2, 4, 1)),
        ("morton_zyx", (4, 2, 1)),
    ],
)
def test_morton_codes_of_the_axes(order, codes):
    axes = order.removeprefix("morton_")
    assert tuple(morton_codes(torch.eye(3, dtype=torch.int64), [axes])[0].tolist()) == codes


def test_morton_codes_equal_bitwise_interleaving_up_to_20_bits():
    coords = torch.randint(0, 1 << 20, (100, 3), generator=torch.Generator().manual_seed(0))
    assert morton_codes(coords, ["xyz"])[0].tolist() == [morton(*row) for row in coords.tolist()]


@pytest.mark.parametrize("count", [5, 64, 150])
def test_curve_patches_follow_the_curve_and_the_last_one_is_shorter(count):
    level = level_of(torch.cartesian_prod(torch.arange(-5, 5), torch.arange(-3, 4), torch.arange(3))[:count])
    (patches,) = curve_groups(level, ["morton_yxz"], 64)
    code = morton_codes(level.local_coords, ["yxz"])[0][patches.order]
    assert bool((code[1:] > code[:-1]).all())
    assert sum(length * number for length, number in patches.runs) == count
    assert patches.runs[-1][0] == (count % 64 or 64)


def test_patches_never_cross_scenes():
    coords = torch.arange(100)[:, None].repeat(1, 3)
    level = level_of(torch.cat([coords, coords]), torch.arange(2).repeat_interleave(100))
    (patches,) = curve_groups(level, ["morton_xyz"], 64)
    assert patches.runs == ((64, 1), (36, 1), (64, 1), (36, 1))
    assert level.cloud_index[patches.order].tolist() == [0] * 100 + [1] * 100


@pytest.mark.parametrize("order", ["zero", "xy", "xyz"])
def test_windows_are_anchored_at_the_scenes_minimum(order):
    level = random_level(extent=20, count=300, low=-13)
    windows = space_groups(level, ["xz", order], 8)[1]
    offset = torch.tensor([4 if axis in order and order != "zero" else 0 for axis in "xyz"])
    low = level.coords.amin(dim=0)
    expected = {}
    for row, coord in enumerate(level.coords):
        expected.setdefault(tuple(((coord - low + offset) // 8).tolist()), []).append(row)
    start, found = 0, []
    assert list(windows.runs) == sorted(windows.runs, reverse=True)  # the largest first
    for length, number in windows.runs:
        for _ in range(number):
            found.append(tuple(sorted(windows.order[start : start + length].tolist())))
            start += length
    assert sorted(found) == sorted(tuple(rows) for rows in expected.values())


@pytest.mark.parametrize("gradients", [False, True])
def test_attention_stays_inside_its_group(gradients):
    torch.manual_seed(0)
    lengths = (1, 3, 3, 4, 20, 40, 41)
    q, k, v = torch.randn(3, sum(lengths), 2, 4).unbind(0)
    groups = Groups(torch.arange(len(q)), ((1, 1), (3, 2), (4, 1), (20, 1), (40, 1), (41, 1)))
    with torch.set_grad_enabled(gradients):  # two ways of computing the same
        out = grouped_attention(q, k, v, groups)
    start = 0
    for length in lengths:
        part = [t[start : start + length].transpose(0, 1) for t in (q, k, v)]
        expected = plain_attention(*part, blocked=torch.zeros(length, length, dtype=torch.bool))
        torch.testing.assert_close(out[start : start + length], expected.transpose(0, 1))
        start += length


def split_attention(q, k, v, lengths):
    """The reference: [M, H, D] attention, group after group."""
    parts = [[t.transpose(0, 1) for t in part] for part in zip(q.split(lengths), k.split(lengths), v.split(lengths))]
    nothing = [torch.zeros(length, length, dtype=torch.bool) for length in lengths]
    return torch.cat([plain_attention(*part, blocked).transpose(0, 1) for part, blocked in zip(parts, nothing)])


def test_attention_by_rows_equals_plain_attention(monkeypatch):
    monkeypatch.setattr(attention, "MIN_BY_ROWS", 20)
    monkeypatch.setattr(attention, "BY_ROWS_LOGITS", 1)  # the smallest steps, 64 queries
    torch.manual_seed(0)
    lengths = [10, 10, 30, 150, 150]
    q, k, v = torch.randn(3, sum(lengths), 2, 16).bfloat16().unbind(0)
    expected = split_attention(q.float(), k.float(), v.float(), lengths)
    with torch.no_grad():
        out = grouped_attention(q, k, v, Groups(torch.arange(len(q)), ((10, 2), (30, 1), (150, 2))), out=q)
    assert out.dtype == torch.bfloat16
    assert out is q
    torch.testing.assert_close(out.float(), expected, atol=0.02, rtol=0.02)


def test_the_flash_kernel_gets_the_group_boundaries(monkeypatch):
    torch.manual_seed(0)
    lengths = [1, 3, 3, 8]
    q, k, v = torch.randn(3, sum(lengths), 2, 16).unbind(0)
    groups = Groups(torch.arange(len(q)), ((1, 1), (3, 2), (8, 1)))
    real, calls = torch.ops.aten._flash_attention_forward, []

    def flash(q, k, v, *rest):
        calls.append(rest)
        real(*(t.to("meta", torch.float16) for t in (q, k, v)), *(t.to("meta") for t in rest[:2]), *rest[2:])
        return (split_attention(q, k, v, rest[0].diff().tolist()),)

    monkeypatch.setattr(torch.ops.aten, "_flash_attention_forward", flash)
    out = attention.varlen_attention(q, k, v, groups)
    torch.testing.assert_close(out, split_attention(q, k, v, lengths))
    assert calls[0][0].dtype == torch.int32
    assert calls[0][2] == calls[0][3] == 8


def test_pieces_of_groups_hold_whole_groups_in_order(monkeypatch):
    monkeypatch.setitem(groups.GROUP_ROWS, "cpu", 10)
    made = Groups(torch.randperm(45), ((2, 3), (5, 3), (24, 1)))
    assert [piece.runs for piece in made.pieces] == [((2, 3),), ((5, 2),), ((5, 1),), ((24, 1),)]
    assert torch.equal(torch.cat([piece.order for piece in made.pieces]), made.order)
    monkeypatch.setitem(groups.GROUP_ROWS, "cpu", 1 << 17)
    pieces = Groups(torch.arange(70_000), ((1, 70_000),)).pieces
    assert [piece.runs for piece in pieces] == [((1, 65_535),), ((1, 4_465),)]  # the limit of a CUDA grid
    monkeypatch.setattr(groups, "MAX_GROUPS", 2)
    made = Groups(torch.randperm(9), ((1, 5), (4, 1)))
    assert [piece.runs for piece in made.pieces] == [((1, 2),), ((1, 2),), ((1, 1), (4, 1))]


def test_the_size_of_pieces_does_not_change_the_result(monkeypatch, tiny_model):
    model = tiny_model()
    expected = model.backbone_features(made_grid(points=3000))
    monkeypatch.setitem(layers.PIECE_VALUES, "cpu", 1600)
    monkeypatch.setitem(groups.GROUP_ROWS, "cpu", 100)
    torch.testing.assert_close(model.backbone_features(made_grid(points=3000)), expected, atol=1e-5, rtol=1e-5)


def test_inference_and_training_paths_agree(tiny_model):
    model, grid = tiny_model(seeded_queries=True), made_grid()
    (learning,) = model(grid)
    with torch.no_grad():
        (saving,) = model(grid)
    torch.testing.assert_close(saving.mask_logits, learning.mask_logits, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(saving.clip_features, learning.clip_features, atol=1e-4, rtol=1e-4)


def test_a_block_leaves_its_input_as_it_is(tiny_model):
    model, grid = tiny_model(), made_grid()
    block = model.backbone.inner_module.encs[0][0]
    x = torch.randn(len(grid), block.norm1.norm.weight.numel())
    before = x.clone()
    with torch.no_grad():
        assert not torch.equal(block(x, grid.level, "zero"), before)
    assert torch.equal(x, before)


# --- rotary encoding --------------------------------------------------------------------------------------------------


def test_rotary_encoding_depends_on_relative_positions_only():
    torch.manual_seed(0)
    q, k = torch.randn(2, 1, 1, 16).unbind(0)

    def product(a, b):
        return (rotate(q, rotary_table(a, 16, 2000.0)) * rotate(k, rotary_table(b, 16, 2000.0))).sum()

    a, b, shift = (torch.tensor([row], dtype=torch.float32) for row in ([3, 1, 2], [5, 9, 4], [7, 7, 7]))
    torch.testing.assert_close(product(a, b), product(a + shift, b + shift), atol=1e-5, rtol=1e-5)
    assert abs(product(a, b) - product(a, b + shift)) > 1e-3


def test_rotary_encoding_rotates_each_axis_and_keeps_other_channels():
    cos = rotary_table(torch.tensor([[1.0, 2.0, 3.0]]), 16, 2000.0).real
    frequencies = torch.tensor([1.0, 2000.0**-0.5])
    torch.testing.assert_close(cos[0], torch.cat([(axis * frequencies).cos() for axis in (1.0, 2.0, 3.0)]))
    x = torch.randn(1, 2, 16)
    assert torch.equal(rotate(x, rotary_table(torch.ones(1, 3), 16, 2000.0))[..., 12:], x[..., 12:])


# --- the query decoder ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk_size", [1, 7, 64])
def test_chunked_attention_equals_all_at_once(chunk_size):
    torch.manual_seed(0)
    query, key, value = torch.randn(2, 5, 8), torch.randn(2, 50, 8), torch.randn(2, 50, 8)
    blocked = torch.rand(50, 5) < 0.6
    blocked[:30, 2] = True  # whole chunks without a visible key
    expected = plain_attention(query, key, value, blocked)
    with torch.no_grad():
        out = masked_attention(query, Keys(None, key, value), blocked, chunk_size)
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)
    out = masked_attention(query.requires_grad_(), Keys(None, key, value), blocked, chunk_size)
    (found,) = torch.autograd.grad(out.square().sum(), query)
    (wanted,) = torch.autograd.grad(plain_attention(query, key, value, blocked).square().sum(), query)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


def test_masked_attention_in_bfloat16_equals_plain_attention():
    torch.manual_seed(0)
    query, key, value = torch.randn(2, 5, 8), torch.randn(2, 600, 8), torch.randn(2, 600, 8)
    blocked = torch.rand(600, 5) < 0.6
    half = [t.bfloat16() for t in (query, key, value)]
    with torch.inference_mode():
        out = masked_attention(half[0], Keys(None, *half[1:]), blocked, 64)
    expected = plain_attention(*(t.float() for t in half), blocked)
    torch.testing.assert_close(out.float(), expected, atol=0.02, rtol=0.02)


def test_a_chunk_whose_keys_are_all_hidden_gives_finite_values_in_float16():
    query = torch.full((1, 1, 8), 20.0).half()
    key, value = -query.expand(1, 4, 8), torch.arange(32.0).half().view(1, 4, 8)
    blocked = torch.tensor([[True], [True], [False], [True]])
    with torch.inference_mode():
        out = masked_attention(query, Keys(None, key, value), blocked, 2)
    torch.testing.assert_close(out, value[:, 2:3])


def test_keys_that_share_a_voxel_share_its_mask():
    torch.manual_seed(0)
    row = torch.tensor([0, 0, 1, 2, 2, 2])
    query, key, value = torch.randn(1, 3, 4), torch.randn(1, 6, 4), torch.randn(1, 6, 4)
    blocked = torch.tensor([[True, False, False], [False, True, False], [False, False, True]])
    out = masked_attention(query, Keys(row, key, value), blocked, 4)
    torch.testing.assert_close(out, plain_attention(query, key, value, blocked[row]))


def test_a_query_with_an_empty_mask_attends_to_all_voxels():
    logits = torch.tensor([[-1.0, 1.0], [-2.0, -1.0], [-3.0, 2.0]])
    assert blocked_voxels(logits).tolist() == [[False, False], [False, True], [False, False]]


def test_folding_two_layers_changes_nothing():
    torch.manual_seed(0)
    first, second, x = torch.nn.Linear(6, 20), torch.nn.Linear(20, 4), torch.randn(9, 6)
    torch.testing.assert_close(F.linear(x, *fold(first, second, torch.float32)), second(first(x)))


def test_more_queries_than_learned_repeat_them(tiny_model):
    model, grid = tiny_model(), made_grid()
    (prediction,) = model(grid, num_queries=13)
    (base,) = model(grid)
    assert prediction.mask_logits.shape == (len(grid), 13)
    # Queries interact, so the repeated ones equal each other, not those of a run without repetition.
    torch.testing.assert_close(prediction.clip_features[:3], prediction.clip_features[10:], atol=1e-5, rtol=1e-5)
    assert base.mask_logits.shape == (len(grid), 10)


# --- the whole network ------------------------------------------------------------------------------------------------


def test_the_same_input_gives_bitwise_the_same_output(tiny_model):
    model, grid = tiny_model(), made_grid()
    first, second = model(grid)[0], model(made_grid())[0]
    assert torch.equal(first.mask_logits, second.mask_logits)
    assert torch.equal(first.clip_features, second.clip_features)


def test_scenes_of_a_batch_are_independent(tiny_model):
    model, both = tiny_model(), made_grid(scenes=2)
    together = model(both)
    for scene, prediction in enumerate(together):
        rows = both.level.cloud_index == scene
        alone = VoxelGrid.from_points(both.positions[rows], both.features[rows], both.voxel_size)
        (expected,) = model(alone)
        torch.testing.assert_close(prediction.mask_logits, expected.mask_logits, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(prediction.clip_features, expected.clip_features, atol=1e-4, rtol=1e-4)


def test_block_orders_matter_and_are_checked(tiny_model):
    model, grid = tiny_model(), made_grid(points=3000)
    base, other = model(grid, ["zero", "morton_xyz", "zero"])[0], model(grid, ["xyz", "morton_zyx", "xy"])[0]
    assert not torch.allclose(base.mask_logits, other.mask_logits)
    with pytest.raises(SpaceformerError, match="2 block orders given; this network has 3 blocks"):
        model(grid, ["zero", "morton_xyz"])
    with pytest.raises(SpaceformerError, match="'zero' is not valid for a curve block"):
        model(grid, ["zero", "zero", "zero"])


def test_random_order_is_reproducible_by_its_seed(tiny_model):
    model, grid, orders = tiny_model(), made_grid(points=3000), ["zero", "random", "zero"]
    runs = [model.backbone_features(grid, orders, permutation_seed=seed) for seed in (1, 1, 2)]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_fixed_orders_of_the_released_network_hold_no_random():
    orders = fixed_orders(SpaCeFormerConfig.released())
    assert orders[:6] == ("zero", "xy", "xz", "yz", "morton_zxy", "morton_zyx")
    assert orders[18:] == ("yz", "xyz", "zero", "xy")
    assert "random" not in orders


@pytest.mark.parametrize(
    ("seed", "draws"),
    [
        (0, "4 4 3 0 1 2 6 3 4 5 2 0 1 5 2 4 4 2 4 3 1 4"),
        (42, "2 2 1 4 4 3 5 5 0 0 0 5 6 4 1 2 6 6 2 1 4 1"),
    ],
)
def test_drawn_orders_equal_the_published_draws(seed, draws):
    config = SpaCeFormerConfig.released()
    lists = {"space": ("zero", "xy", "xz", "yz", "xyz"), "curve": ("random", *CURVE_ORDERS)}
    expected = tuple(lists[kind][int(i)] for kind, i in zip(config.block_kinds, draws.split()))
    assert drawn_orders(config, seed) == expected


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_converted_precision_stays_close(tiny_model, dtype):
    from spaceformer_ros.segment.backends import convert

    grid = made_grid()
    exact = tiny_model()(grid)[0]
    rough = convert(tiny_model(), dtype)(grid)[0]
    assert rough.mask_logits.dtype == dtype
    agreement = ((exact.mask_logits > 0) == (rough.mask_logits.float() > 0)).float().mean()
    assert agreement > (0.95 if dtype == torch.bfloat16 else 0.9999)


def test_positions_are_an_optional_input(tiny_model):
    model, grid = tiny_model(position_octaves=2), made_grid()
    assert model.config.in_channels == 3 + 3 + 12
    assert model(grid)[0].mask_logits.shape == (len(grid), 10)


def test_the_offset_in_the_voxel_is_an_optional_input(tiny_model):
    config = tiny_config(voxel_offsets=True)
    xyz = torch.tensor([[0.01, 0.025, 0.049], [-0.05, -0.03, 0.1]])
    grid = VoxelGrid.from_points(xyz, torch.zeros(2, 3), config.voxel_size)
    seen = network_input(grid, config)[grid.point_to_voxel]
    torch.testing.assert_close(seen[:, 3:], torch.tensor([[-0.3, 0.0, 0.48], [-0.5, -0.1, -0.5]]), atol=1e-5, rtol=0)
    assert tiny_model(voxel_offsets=True, position_octaves=2).config.in_channels == 3 + 3 + 12 + 3
    assert torch.equal(network_input(grid, tiny_config()), grid.features)


def test_seeds_are_foreground_voxels_spread_over_their_votes(tiny_model):
    model, grid = tiny_model(seeded_queries=True), made_grid()
    features = model.backbone_features(grid)
    with torch.no_grad():
        model.seeds.offset.weight.zero_()
        model.seeds.offset.bias.zero_()
    seeds = model.seeds.pick(features, grid.positions, 10)
    assert torch.equal(seeds.votes, grid.positions)
    assert torch.equal(seeds.centre, grid.positions[seeds.row])
    foreground = model.seeds.foreground(features)[:, 0]
    assert bool((foreground[seeds.row] > min(0.0, float(foreground.sort(descending=True).values[10]))).all())
    assert torch.pdist(seeds.centre).min() > 0.2  # ten places in a box of 1.5 x 1.2 x 0.8 m


def test_values_beyond_the_range_are_refused():
    seeds = QuerySeeds(8, 16)
    with pytest.raises(SpaceformerError, match="not finite in float32: set precision to auto"):
        seeds.pick(torch.full((20, 8), torch.nan), torch.rand(20, 3), 5)


def test_farthest_points_of_a_line_are_its_ends_then_its_middle():
    line = torch.zeros(11, 3)
    line[:, 0] = torch.arange(11) + torch.tensor([0.1] + [0.0] * 10)
    assert farthest_points(line, 3).tolist() == [10, 0, 5]
    assert len(farthest_points(line[:2], 5)) == 5


def test_a_seeded_query_falls_off_with_the_square_of_the_distance_to_its_centre(tiny_model):
    model, grid = tiny_model(seeded_queries=True), made_grid()
    seeds = model.seeds.pick(model.backbone_features(grid), grid.positions, 4)
    logits = seeds.factors @ model.seeds.place_factors(torch.randn(4, 24), seeds.centre).t()
    squares = (seeds.votes[:, None] - seeds.centre[None]).square().sum(dim=2)
    sharpness = torch.nn.functional.softplus(torch.tensor(4.0))
    torch.testing.assert_close(logits, 1.0 - sharpness * squares, atol=1e-3, rtol=1e-3)


def test_a_seeded_network_takes_any_number_of_queries_and_small_scenes(tiny_model):
    model = tiny_model(seeded_queries=True)
    (prediction,) = model(made_grid(), num_queries=25)
    assert prediction.mask_logits.shape[1] == len(prediction.seeds.row) == 25
    tiny = VoxelGrid.from_points(torch.tensor([[0.0, 0, 0], [0.1, 0, 0]]), torch.zeros(2, 3), 0.05)
    assert model(tiny)[0].mask_logits.shape == (2, 2)


def test_configuration_survives_a_round_trip_and_refuses_others():
    config = tiny_config(position_octaves=3)
    assert SpaCeFormerConfig.from_dict(config.to_dict()) == config
    with pytest.raises(SpaceformerError, match="not the configuration"):
        SpaCeFormerConfig.from_dict({**config.to_dict(), "surprise": 1})


def test_every_parameter_receives_a_gradient():
    torch.manual_seed(0)
    model, grid = SpaCeFormer(tiny_config()).train(), made_grid(points=3000)
    features = model.backbone_features(grid)
    (iterations,) = model.predictions_per_cloud(features, grid)
    loss = sum(p.mask_logits.square().mean() + p.clip_features.square().mean() for p in iterations)
    (loss + p_objectness(model, grid)).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def p_objectness(model, grid):
    return model(grid)[0].objectness_logits.square().mean()
