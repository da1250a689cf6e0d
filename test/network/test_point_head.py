# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from helpers.networks import tiny_config

from spaceformer_ros.geometry.heading import rotate_z
from spaceformer_ros.network.point_head import (
    EXTENT,
    LEVELS,
    MAX_REACH,
    SAMPLES,
    MaxOverNeighbours,
    PointHead,
    SetAbstraction,
    scaled,
)
from spaceformer_ros.network.principal_axes import turned

CHANNELS = 8


@pytest.fixture
def head():
    torch.manual_seed(0)
    made = PointHead.of(tiny_config(point_head=CHANNELS)).eval()
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_(std=0.2)
    return made


def box(rng, low=(-1, -0.3, 0.4), high=(1, 0.3, 1.2), count=1):
    return torch.from_numpy(rng.uniform(low, high, (count, SAMPLES, 3)).astype(np.float32))


def colors_of(rng, count=1):
    return torch.from_numpy(rng.uniform(-1, 1, (count, SAMPLES, 3)).astype(np.float32))


def test_features_are_unit_vectors_of_the_text_space(head, rng):
    with torch.no_grad():
        features = head(box(rng, count=70), colors_of(rng, 70))
    assert features.shape == (70, tiny_config().text_channels)
    assert torch.allclose(features.norm(dim=1), torch.ones(70), atol=1e-5)


def test_batches_do_not_change_features(head, rng):
    xyz, colors = box(rng, count=70), colors_of(rng, 70)
    with torch.no_grad():
        alone = torch.cat([head(xyz[k : k + 1], colors[k : k + 1]) for k in (0, 69)])
        assert torch.allclose(head(xyz, colors)[[0, 69]], alone, atol=1e-5)


def test_the_place_and_the_heading_have_no_effect_but_size_height_and_colour_have(head, rng):
    xyz, colors = box(rng), colors_of(rng)
    with torch.no_grad():
        expected = head(xyz, colors)
        moved = torch.from_numpy(rotate_z(xyz[0].numpy(), 0.7).astype(np.float32))[None] + torch.tensor([4.0, -2.0, 0])
        turned_back = head(moved, colors), head(moved * torch.tensor([-1.0, -1.0, 1.0]), colors)
        assert min((feature - expected).abs().max() for feature in turned_back) < 1e-3
        raised, larger = head(xyz + torch.tensor([0, 0, 0.5]), colors), head(2 * xyz, colors)
        for other in (raised, larger, head(xyz, -colors)):
            assert (other - expected).abs().max() > 1e-3


def test_points_are_scaled_to_the_object_and_strays_pulled_in(rng):
    xyz, colors = box(rng), colors_of(rng)
    xyz[0, 0] = torch.tensor([40.0, 0.0, 0.8])
    points, extent = scaled(xyz, colors)
    assert extent.shape == (1, EXTENT)
    length, width, height = extent[0, :3].exp()
    assert 1.8 < length <= 2
    assert 0.5 < width <= 0.6
    assert 0.7 < height <= 0.8
    assert extent[0, 3:5].tolist() == pytest.approx([0.4, 1.2], abs=0.05)
    assert points[0, 1:].abs().max() < 1.1
    assert points.abs().max() == pytest.approx(MAX_REACH)


def test_a_single_place_has_finite_features(head):
    with torch.no_grad():
        assert head(torch.zeros(1, SAMPLES, 3), torch.zeros(1, SAMPLES, 3)).isfinite().all()


def test_the_longest_side_of_the_plan_lies_along_x(rng):
    for angle in (0.0, 0.5, 1.4, 3.0):
        xyz = torch.from_numpy(rotate_z(box(rng)[0].numpy(), angle).astype(np.float32))[None] + 3
        sides = np.ptp(turned(xyz)[0].numpy(), axis=0)
        assert sides[:2] == pytest.approx([2.0, 0.6], abs=0.1)


def test_a_level_is_the_maximum_over_the_nearest_neighbours(rng):
    torch.manual_seed(0)
    level = SetAbstraction(5, 6, LEVELS[2]).eval()
    xyz, features = torch.rand(2, 48, 3), torch.rand(2, 48, 5)
    with torch.no_grad():
        centers, found = level(xyz, features)
        assert torch.equal(centers, xyz[:, :16])
        for cloud, center in ((0, 0), (1, 15)):
            nearest = (xyz[cloud] - xyz[cloud, center]).norm(dim=1).argsort()[:8]
            pairs = level.feature(features[cloud, nearest])
            pairs = pairs + level.offset(level.gain * (xyz[cloud, nearest] - xyz[cloud, center]))
            x = torch.relu(level.norm(pairs.amax(dim=0, keepdim=True)))
            assert torch.allclose(found[cloud, center], torch.relu(x + level.inner(x))[0], atol=1e-5)


def test_the_maximum_has_the_gradient_of_amax():
    values = torch.randn(20, 6, 4, dtype=torch.float64)
    one, other = (values.clone().requires_grad_() for _ in range(2))
    (MaxOverNeighbours.apply(one) ** 2).sum().backward()
    (other.amax(dim=1) ** 2).sum().backward()
    assert torch.allclose(one.grad, other.grad)
