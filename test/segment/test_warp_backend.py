# SPDX-License-Identifier: Apache-2.0
"""The warpconvnet backend on a stand-in of that package: its workarounds for the official module.

The module itself needs CUDA; here our own network takes its place, behind the official interface.
"""

import sys
import types

import pytest
import torch

from spaceformer_ros import SpaceformerError
from spaceformer_ros.network.model import SpaCeFormer, SpaCeFormerConfig, fixed_orders
from spaceformer_ros.network.voxels import VoxelGrid
from spaceformer_ros.segment import warp_backend
from spaceformer_ros.segment.warp_backend import WarpConvNetBackend, provide_missing_modules, segment_csr


class OfficialLook(torch.nn.Module):
    """The official module's interface, with its randomness, around our network."""

    def __init__(self, config):
        super().__init__()
        self.inner = SpaCeFormer(config)
        self.backbone = types.SimpleNamespace(inner_module=types.SimpleNamespace(_select_order=lambda *_: "random"))
        self.config, self.seen_orders = config, []

    def state_dict(self, *arguments, **fields):
        return self.inner.state_dict(*arguments, **fields)

    def load_state_dict(self, state, strict=True):
        return self.inner.load_state_dict(state, strict=strict)

    def forward(self, batch):
        assert batch["offset"].tolist() == [0, len(batch["coord"])]
        kinds = self.config.block_kinds
        orders = [self.backbone.inner_module._select_order(i, kind) for i, kind in enumerate(kinds)]
        self.seen_orders.append(tuple(orders))
        grid = VoxelGrid.from_points(batch["coord"], batch["feat"], self.config.voxel_size)
        prediction = self.inner(grid, orders)[0]
        return {
            "logit": prediction.objectness_logits[None],
            "mask": [prediction.mask_logits[grid.point_to_voxel]],
            "clip_feat": prediction.clip_features[None],
        }


@pytest.fixture
def official(monkeypatch, tiny_model):
    """A fake warpconvnet package; returns (our model, list of calls to clear the cache, the module that was built)."""
    model, cleared, built = tiny_model(), [], []
    monkeypatch.setattr(SpaCeFormerConfig, "released", classmethod(lambda cls: model.config))

    def build_spaceformer(device):
        built.append(OfficialLook(model.config).eval())
        return built[-1]

    contents = {
        "warpconvnet": {},
        "warpconvnet.models": {},
        "warpconvnet.models.spaceformer": {"build_spaceformer": build_spaceformer},
        "warpconvnet.nn": {},
        "warpconvnet.nn.functional": {},
        "warpconvnet.nn.functional.voxel_encode": {"clear_encode_cache": lambda: cleared.append(True)},
    }
    for name, members in contents.items():
        module = types.ModuleType(name)
        module.__dict__.update(members)
        monkeypatch.setitem(sys.modules, name, module)
    return model, cleared, built


def grid_of(points=800):
    generator = torch.Generator().manual_seed(0)
    return VoxelGrid.from_points(
        torch.rand(points, 3, generator=generator), torch.rand(points, 3, generator=generator), 0.05
    )


def cuda():
    """A device that claims to be CUDA."""
    return types.SimpleNamespace(type="cuda")


def test_it_agrees_with_the_torch_backend(official, monkeypatch):
    model, cleared, built = official
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: torch.no_grad())
    backend, grid = WarpConvNetBackend(model, cuda(), torch.float32), grid_of()
    orders = fixed_orders(model.config)
    for run in (1, 2):
        prediction, expected = backend.predict(grid, orders), model(grid, orders)[0]
        torch.testing.assert_close(prediction.mask_logits, expected.mask_logits, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(prediction.objectness_logits, expected.objectness_logits, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(prediction.clip_features, expected.clip_features, atol=1e-4, rtol=1e-4)
        assert len(cleared) == run
    assert built[0].seen_orders == [orders, orders]


def test_other_networks_and_devices_are_refused(official, tiny_model):
    model, _, _ = official
    with pytest.raises(SpaceformerError, match="runs the released network only"):
        WarpConvNetBackend(tiny_model(num_queries=5), cuda(), torch.float32)
    with pytest.raises(SpaceformerError, match="needs a CUDA device, not cpu"):
        WarpConvNetBackend(model, torch.device("cpu"), torch.float32)


def test_a_missing_package_says_how_to_install_it(monkeypatch, tiny_model):
    model = tiny_model()
    monkeypatch.setattr(SpaCeFormerConfig, "released", classmethod(lambda cls: model.config))
    monkeypatch.setitem(sys.modules, "warpconvnet", None)
    with pytest.raises(SpaceformerError, match=r"--no-build-isolation warpconvnet==1.8.2"):
        WarpConvNetBackend(model, cuda(), torch.float32)


@pytest.fixture(autouse=True)
def without_stand_ins():
    """No test finds the stand-ins of another."""
    before = dict(sys.modules)
    yield
    for name in ("flash_attn", "torch_scatter"):
        if name not in before:
            sys.modules.pop(name, None)


def test_missing_kernels_are_replaced(caplog):
    caplog.set_level("INFO")
    provide_missing_modules()
    import flash_attn
    import torch_scatter

    for module, function in ((flash_attn, "flash_attn_varlen_qkvpacked_func"), (torch_scatter, "segment_csr")):
        assert callable(getattr(module, function))
        if getattr(module, function) is getattr(warp_backend, function, None):
            assert f"{module.__name__} is not installed" in caplog.text


@pytest.mark.parametrize("reduce", ["sum", "mean", "max", "min"])
def test_segment_csr_reduces_consecutive_rows(reduce):
    src = torch.tensor([[1.0, 5.0], [3.0, -1.0], [2.0, 2.0]])
    out = segment_csr(src, torch.tensor([0, 2, 3]), reduce=reduce)
    pair = src[:2]
    first = {"sum": pair.sum(0), "mean": pair.mean(0), "max": pair.amax(0), "min": pair.amin(0)}[reduce]
    assert torch.equal(out, torch.stack([first, src[2]]))
