# SPDX-License-Identifier: Apache-2.0
import numpy as np
import torch
from helpers.networks import made_grid, tiny_config

from spaceformer_ros.geometry.heading import rotate_z
from spaceformer_ros.network.model import SpaCeFormer
from spaceformer_ros.network.name_head import MIN_EXTENT, SAMPLES, TAIL, MaskViews, NameHead, shape_of, view_masks

CONFIG = tiny_config(name_head=20)


def views(count=7, seed=0):
    rng = torch.Generator().manual_seed(seed)
    channels = CONFIG.decoder[-1].channels
    return MaskViews(*(torch.randn(count, n, generator=rng) for n in (CONFIG.text_channels, 2 * channels, 14)))


def trained_head():
    """A head whose last layer is not zero."""
    torch.manual_seed(0)
    head = NameHead.of(CONFIG).eval()
    torch.nn.init.normal_(head.layers[-1].weight)
    return head


def test_a_new_head_changes_no_feature():
    seen = views()
    expected = torch.nn.functional.normalize(seen.features, dim=1)
    assert torch.allclose(NameHead.of(CONFIG)(seen), expected, atol=1e-6)


def test_the_head_sees_the_features_the_pooled_features_and_the_geometry():
    head, seen = trained_head(), views()
    before = head(seen)
    assert torch.allclose(before.norm(dim=1), torch.ones(7), atol=1e-5)
    for name in ("features", "pooled", "geometry"):
        other = MaskViews(**{**vars(seen), name: getattr(seen, name).flip(0)})
        assert not torch.allclose(head(other), before, atol=1e-3), name


def test_inputs_are_standardised_with_the_figures_of_the_training_set():
    head, seen = trained_head(), views(50)
    head.standardise(seen)
    scaled = MaskViews(seen.features, 9 * seen.pooled - 4, 0.1 * seen.geometry + 30)
    other = trained_head()
    other.standardise(scaled)
    assert torch.allclose(head(seen), other(scaled), atol=1e-3)


def test_the_view_of_a_mask_is_what_its_voxels_contain():
    grid, rng = made_grid(), np.random.default_rng(0)
    parts = [np.sort(rng.choice(len(grid), n, replace=False)) for n in (200, 1, 64)]
    features = torch.randn(len(grid), 5)
    columns = torch.randn(3, 4), torch.tensor([0.9, 0.5, 0.1]), torch.tensor([0.7, 0.8, 0.9])
    rows, sizes = torch.from_numpy(np.concatenate(parts)), torch.tensor([len(part) for part in parts])
    view = view_masks(rows, sizes, grid, features, *columns)
    for k, part in enumerate(parts):
        assert np.allclose(view.pooled[k, :5], features[part].mean(dim=0), atol=1e-6)
        assert np.allclose(view.pooled[k, 5:], features[part].amax(dim=0), atol=1e-6)
        sample = part[np.arange(SAMPLES) * len(part) // SAMPLES]
        heights = np.sort(grid.positions[sample, 2])
        assert np.allclose(view.geometry[k, 3:5], heights[[TAIL, -1 - TAIL]])
        assert np.allclose(view.geometry[k, 5:8], [np.log(len(part)), columns[1][k], columns[2][k]], atol=1e-6)
        assert np.allclose(view.geometry[k, 8:11], grid.features[sample].mean(dim=0), atol=1e-6)
        assert np.allclose(view.geometry[k, 11:], grid.features[sample].numpy().std(axis=0), atol=1e-6)


def test_the_shape_of_a_box_does_not_depend_on_its_heading_or_place():
    rng = np.random.default_rng(0)
    box = rng.uniform((-1, -0.3, 0.4), (1, 0.3, 1.2), (SAMPLES, 3)).astype(np.float32)
    turned = [rotate_z(box, angle) + (3 * angle, -2, 0) for angle in (0.0, 0.4, 1.6, 2.9)]
    shapes = shape_of(torch.from_numpy(np.stack(turned).astype(np.float32))).numpy()
    assert np.allclose(shapes, shapes[0], atol=1e-4)
    length, width, height = np.exp(shapes[0, :3])
    assert 1.5 < length < 2 > 0.45 < width < 0.6 < height < 0.8
    assert 0.4 < shapes[0, 3] < 0.5
    assert 1.1 < shapes[0, 4] < 1.2


def test_strays_and_single_voxels_have_a_shape():
    box = np.random.default_rng(0).uniform(0, 1, (1, SAMPLES, 3)).astype(np.float32)
    stray = box.copy()
    stray[:, 0] = 0.5, 0.5, 40.0
    assert shape_of(torch.from_numpy(stray))[0, 2].exp() < 1
    assert np.allclose(shape_of(torch.zeros(1, SAMPLES, 3))[0, :3], np.log(MIN_EXTENT))


def test_only_the_last_prediction_of_a_network_with_a_head_has_features():
    torch.manual_seed(0)
    grid = made_grid()
    for config in (CONFIG, tiny_config()):
        model = SpaCeFormer(config).eval()
        with torch.inference_mode():
            features = model.backbone_features(grid)
            *others, last = model.predictions_per_cloud(features, grid)[0]
        assert all(prediction.features is None for prediction in others)
        assert (last.features is not None) == bool(config.name_head)
