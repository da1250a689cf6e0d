# SPDX-License-Identifier: Apache-2.0
"""The Triton kernels without a GPU: in Triton's interpreter, compiled for three of them, and when it is refused."""

import json
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from helpers import plain_kernels
from helpers.networks import made_grid
from helpers.paths import run_helper
from helpers.reference import convolve_by_table

from benchmarks.launches import Launches
from spaceformer_ros.network import attention, kernels, layers
from spaceformer_ros.network.decoder import Keys
from spaceformer_ros.network.layers import SparseConv3d
from spaceformer_ros.network.model import StageConfig
from spaceformer_ros.segment.backends import choose_kernels

INSTALL = "Triton is not installed, which CUDA builds of torch bring: pip install triton"


def without_an_offset(x, weight, bias, table, order):
    return convolve_by_table(x, weight, bias, torch.cat([torch.full_like(table[:1], len(x)), table[1:]]), order)


def without_bias(x, weight, bias, table, order):
    return convolve_by_table(x, weight, 0, table, order)


def in_fewer_bits(x, weight, bias, table, order):
    """float32 operands with the 10 bits of TF32."""
    return convolve_by_table(x.half().to(x), weight.half().to(x), bias, table, order)


def not_numbers(x, weight, bias, table, order):
    return x.new_full((len(x), weight.shape[2]), torch.nan)


# --- the kernel itself ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def interpreted():
    pytest.importorskip("triton", reason=INSTALL)
    return json.loads(run_helper("interpreted_kernels"))


@pytest.mark.process
def test_the_interpreted_kernels_equal_the_plain_path(interpreted):
    assert {name: error for name, (error, most) in interpreted["errors"].items() if not error <= most} == {}
    assert len(interpreted["errors"]) == 43


@pytest.mark.process
def test_a_network_on_the_interpreted_kernel_gives_the_same_every_time(interpreted, tiny_model):
    used, difference, repeated = interpreted["network"]
    assert used == sum(isinstance(module, SparseConv3d) for module in tiny_model().modules())
    assert difference < 1e-5
    assert repeated


@pytest.fixture
def compiled(monkeypatch, tmp_path):
    """A function: the kernel that a function of the network launches on a GPU of a compute capability, compiled."""
    triton = pytest.importorskip("triton", reason=INSTALL)
    from spaceformer_ros.network import triton_attention, triton_convolution, triton_products, triton_sampling

    modules, last = (triton_attention, triton_convolution, triton_products, triton_sampling), []

    def compile(kernel, programs, *arguments, **options):
        last[:] = [kernel.warmup(*arguments, grid=programs, **options)]

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    for module in modules:
        monkeypatch.setattr(module, "launch", compile)

    def make(capability, function, *operands):
        driver = SimpleNamespace(
            get_current_device=lambda: capability,
            get_current_stream=lambda device: 0,
            get_current_target=lambda: triton.backends.compiler.GPUTarget("cuda", capability, 32),
        )
        monkeypatch.setattr(triton.runtime.driver, "_active", driver)
        next(getattr(module, function) for module in modules if hasattr(module, function))(*operands)
        return last[0]

    return make


def convolution(rows, in_channels, out_channels, dtype):
    """Operands of `convolve`."""
    x, weight = torch.zeros(rows, in_channels, dtype=dtype), torch.zeros(27, in_channels, out_channels, dtype=dtype)
    table = torch.zeros(27, rows + 1, dtype=torch.int32)[:, :-1]
    return x, weight, torch.zeros(out_channels), table, torch.zeros(rows, dtype=torch.int32)


def operands_of_kernels(rows, channels, dtype):
    """Function of a Triton kernel -> its operands in the released network."""
    x, weight = torch.zeros(rows, channels, dtype=dtype), torch.zeros(3 * channels, channels, dtype=dtype)
    bias, some, coords = torch.zeros(3 * channels), torch.arange(rows), torch.zeros(rows, 3, dtype=torch.int64)
    table, norm = torch.zeros(100, 10, dtype=torch.complex64), torch.nn.LayerNorm(channels)
    keys = Keys(None, *torch.zeros(rows, 2, channels // 64, 64, dtype=dtype).permute(1, 2, 0, 3))
    query, blocked = torch.zeros(channels // 64, 200, 64, dtype=dtype), torch.zeros(200, rows, dtype=torch.bool).t()
    return {
        "project_rotated": (x, some, weight, bias, table, coords, (3, channels // 64, 64), 2),
        "add_product": (x, x, weight[:channels], bias, some),
        "gated_product": (x, weight[: 2 * channels], weight[: 2 * channels]),
        "normalise_sum": (x, x, norm, norm),
        "attend": (query, keys, blocked),
        "farthest_points": (torch.zeros(rows, 3), 100),
    }


SHARED = {87: 163 << 10, 89: 99 << 10, 90: 227 << 10}  # bytes that one program may have: CUDA programming guide


def check_resources(kernel, capability, folder):
    """Assert that a compiled kernel keeps its values in registers, and that two programs fit on a processor."""
    from triton import knobs

    (folder / "kernel.cubin").write_bytes(kernel.asm["cubin"])
    command = [knobs.nvidia.cuobjdump.path, "--dump-resource-usage", folder / "kernel.cubin"]
    usage = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    assert kernel.metadata.target.arch == capability
    assert kernel.metadata.shared <= SHARED[capability] // 2
    assert int(re.search(r"STACK:(\d+)", usage)[1]) <= 32, usage  # bytes per thread of registers that did not fit
    assert "tf32" not in kernel.asm["ptx"]  # float32 is multiplied with all of its bits


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("capability", SHARED)  # Jetson Orin, GeForce 40, H100
def test_the_kernel_compiles_for_gpus_within_their_registers_and_memory(compiled, tmp_path, capability, dtype):
    for channels in ((3, 32), (64, 64), (512, 512)):
        check_resources(compiled(capability, "convolve", *convolution(1000, *channels, dtype)), capability, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("capability", SHARED)
def test_products_compile_for_gpus_within_their_registers_and_memory(compiled, tmp_path, capability, dtype):
    for function, operands in operands_of_kernels(1000, 512, dtype).items():
        check_resources(compiled(capability, function, *operands), capability, tmp_path)


@pytest.mark.slow
def test_maps_of_other_sizes_need_no_other_kernel(compiled):
    def kernels(rows):
        yield compiled(90, "convolve", *convolution(rows, 32, 32, torch.float16))
        for function, operands in operands_of_kernels(rows, 64, torch.float16).items():
            yield compiled(90, function, *operands)

    first = list(kernels(1000))
    for rows in (1001, 1024, 2):
        assert all(kernel is other for kernel, other in zip(kernels(rows), first, strict=True))
    assert compiled(90, "convolve", *convolution(1000, 3, 32, torch.float16)) is not first[0]


# --- when it is used --------------------------------------------------------------------------------------------------


@pytest.fixture
def use_triton(monkeypatch):
    """A function: `use_triton` on a model with another function in the kernel's place."""

    def use(model, convolve, products=plain_kernels):
        module = SimpleNamespace(convolve=convolve)
        monkeypatch.setitem(sys.modules, "spaceformer_ros.network.triton_convolution", module)
        for name in ("attention", "products", "sampling"):
            monkeypatch.setattr(f"spaceformer_ros.network.triton_{name}", products, raising=False)
        kernels.use_triton(model)

    return use


@pytest.mark.slow
def test_a_kernel_that_agrees_is_used_without_gradients_only(use_triton, tiny_model):
    calls = []

    def convolve(*operands):
        calls.append(operands)
        return convolve_by_table(*operands)

    model, grid = tiny_model(), made_grid()
    plain = model.backbone_features(grid)
    use_triton(model, convolve)
    calls.clear()
    torch.testing.assert_close(model.backbone_features(grid), plain)
    assert calls == []  # gradients are on
    with torch.inference_mode():
        torch.testing.assert_close(model.backbone_features(grid), plain, atol=1e-4, rtol=1e-4)
    assert len(calls) == sum(isinstance(module, SparseConv3d) for module in model.modules())


@pytest.mark.parametrize("wrong", [without_an_offset, without_bias, not_numbers])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_kernel_that_disagrees_is_not_used(use_triton, tiny_model, wrong, dtype):
    model = tiny_model().to(dtype)
    use_triton(model, convolve_by_table)
    assert all(module.kernel for module in model.modules() if isinstance(module, SparseConv3d))
    model = tiny_model().to(dtype)
    with pytest.raises(kernels.KernelUnavailable, match="relative error"):
        use_triton(model, wrong)
    assert all(module.kernel is None for module in model.modules() if isinstance(module, SparseConv3d))


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("project_rotated", "SpaCeFormer.rotated_memory"),
        ("add_product", "Block.finish"),
        ("gated_product", "Block.finish"),
        ("normalise_sum", "Block.mix"),
        ("attend", "CrossAttention.attend"),
        ("farthest_points", "QuerySeeds.spread"),
    ],
)
def test_products_that_disagree_are_not_used(use_triton, tiny_model, name, where):
    def wrong(*operands, **options):
        return getattr(plain_kernels, name)(*operands, **options) * 2

    model, products = tiny_model(seeded_queries=True), SimpleNamespace(**{**vars(plain_kernels), name: wrong})
    with pytest.raises(kernels.KernelUnavailable, match=rf"relative error .* of {where}"):
        use_triton(model, convolve_by_table, products)
    assert not any(getattr(module, "kernels", None) for module in model.modules())


def test_a_float32_kernel_that_multiplies_in_fewer_bits_is_not_used(use_triton, tiny_model):
    with pytest.raises(kernels.KernelUnavailable, match="relative error"):
        use_triton(tiny_model(), in_fewer_bits)


def test_the_log_gives_the_reason_for_the_plain_path(monkeypatch, caplog, tiny_model):
    caplog.set_level("INFO")
    choose_kernels(tiny_model(), torch.device("cpu"))
    assert caplog.messages == []
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.delitem(sys.modules, "spaceformer_ros.network.triton_convolution", raising=False)
    choose_kernels(tiny_model(), torch.device("cuda"))
    assert "the network runs in plain PyTorch: " in caplog.text
    assert "triton" in caplog.text


def test_a_driver_that_fails_leaves_the_plain_path(tiny_model):
    pytest.importorskip("triton", reason=INSTALL)
    with pytest.raises(kernels.KernelUnavailable, match="cannot be used"):
        kernels.use_triton(tiny_model())  # tensors on the CPU, as if the GPU did not answer


# --- where the host waits for a GPU -----------------------------------------------------------------------------------


@pytest.fixture
def count_waits(monkeypatch, use_triton, tiny_model):
    """A function: Counter of the waits of a network of so many blocks per stage, on the code path of a GPU."""

    def varlen(q, k, v, groups):
        assert len(groups.cumulative)
        return q

    monkeypatch.setattr(attention, "has_flash_kernel", lambda q: True)
    monkeypatch.setattr(attention, "varlen_attention", varlen)

    def count(depth, kernel=convolve_by_table):
        space, curve = StageConfig(8, 1, "space", 8, depth), StageConfig(12, 2, "curve", 64, depth)
        model, grid = tiny_model(encoder=(space, curve), decoder=(space,)), made_grid()
        if kernel is not None:
            use_triton(model, kernel)
        orders = ["xy" if kind == "space" else "morton_xyz" for kind in model.config.block_kinds]
        with torch.inference_mode(), Launches() as counted:
            model(grid, orders)
        return counted.waits

    return count


@pytest.mark.slow
def test_the_host_waits_for_sizes_of_levels_and_groups_and_blocks_add_nothing(count_waits):
    assert count_waits(1) == count_waits(3) == {"to_host": 2}


@pytest.mark.slow
def test_the_plain_path_waits_for_every_offset(monkeypatch, count_waits):
    monkeypatch.setattr(layers, "NARROW", 0)  # of CPUs
    assert count_waits(1, kernel=None)["nonzero"] == 2 * 13 + 62  # two levels, and the stem's kernel of 5
