# SPDX-License-Identifier: Apache-2.0
"""Which test notices an error on the code path of a GPU? No GPU is needed.

Usage: tools/env.sh python -m benchmarks.studies.gpu_mutants [--only WORD]

Every mutant is one changed piece of code. It is put into a copy of the package, and the test that should notice it runs
there. Prints a markdown table; the exit code is 1 if a mutant was not noticed.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from typing import NamedTuple

from benchmarks.tables import markdown

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPIED = ("spaceformer_ros", "benchmarks", "test", "pyproject.toml")
KERNELS, NETWORK = "test/network/test_kernels.py", "test/network/test_network.py"
INTERPRETED, SIMULATED = (
    f"{KERNELS}::test_the_interpreted_kernels_equal_the_plain_path",
    "test/segment/test_simulated_gpu.py",
)
COMPILED = f"{KERNELS}::test_the_kernel_compiles_for_gpus_within_their_registers_and_memory"


class Mutant(NamedTuple):
    """`old`, which occurs once in a file of spaceformer_ros/, becomes `new`; `test` should notice it."""

    what: str
    file: str
    old: str
    new: str
    test: str


CONVOLUTION, LAUNCH = "network/triton_convolution.py", "network/triton_launch.py"
PRODUCTS = "network/triton_products.py"
MASKED, SAMPLING = "network/triton_attention.py", "network/triton_sampling.py"
ATTENTION, DECODER, TRANSFER = "network/attention.py", "network/decoder.py", "network/transfer.py"
MUTANTS = (
    Mutant(
        "a tile whose only neighbour is the last row is skipped",
        CONVOLUTION,
        "if tl.min(source, axis=0) < num_rows:",
        "if tl.min(source, axis=0) < num_rows - 1:",
        INTERPRETED,
    ),
    Mutant(
        "one row too many is read",
        CONVOLUTION,
        "mask=row < num_rows, other=num_rows",
        "mask=row <= num_rows, other=num_rows",
        INTERPRETED,
    ),
    Mutant(
        "row offsets of 32 bits, input",
        CONVOLUTION,
        "source.to(tl.int64)[",
        "source[",
        INTERPRETED,
    ),
    Mutant(
        "row offsets of 32 bits, output",
        CONVOLUTION,
        "target.to(tl.int64)[",
        "target[",
        INTERPRETED,
    ),
    Mutant(
        "sorted rows are not put back",
        CONVOLUTION,
        "row if order is None else tl.load(order + row, mask=row < num_rows, other=0)",
        "row",
        INTERPRETED,
    ),
    Mutant(
        "strided operands are taken for contiguous",
        CONVOLUTION,
        "x.contiguous(), weight.contiguous()",
        "x, weight",
        INTERPRETED,
    ),
    Mutant(
        "row offsets of 32 bits, products",
        PRODUCTS,
        "return row.to(tl.int64)",
        "return row",
        INTERPRETED,
    ),
    Mutant(
        "row offsets of 32 bits, norms",
        PRODUCTS,
        "tl.program_id(0).to(tl.int64)",
        "tl.program_id(0)",
        INTERPRETED,
    ),
    Mutant(
        "one row too many is normalised",
        PRODUCTS,
        "inside = (row < num_rows)[:, None] & (channel < channels)",
        "inside = (row <= num_rows)[:, None] & (channel < channels)",
        INTERPRETED,
    ),
    Mutant(
        "rotation in the other sense",
        PRODUCTS,
        "real * cos - imaginary * sin",
        "real * cos + imaginary * sin",
        INTERPRETED,
    ),
    Mutant(
        "values are rotated too",
        PRODUCTS,
        "(2 * pair < rotated_channels) & ",
        "",
        INTERPRETED,
    ),
    Mutant(
        "positions of other voxels",
        PRODUCTS,
        "tl.load(coords + source[:, None]",
        "tl.load(coords + row[:, None]",
        INTERPRETED,
    ),
    Mutant(
        "sums go to other voxels",
        PRODUCTS,
        "total + _source(rows, row, there)[:, None]",
        "total + source[:, None]",
        INTERPRETED,
    ),
    Mutant(
        "the gate is no sigmoid",
        PRODUCTS,
        "tl.sigmoid(gate)",
        "1.0",
        INTERPRETED,
    ),
    Mutant(
        "row offsets of 32 bits, keys",
        MASKED,
        "column.to(tl.int64)[:, None] * key_stride",
        "column[:, None] * key_stride",
        INTERPRETED,
    ),
    Mutant(
        "row offsets of 32 bits, masks",
        MASKED,
        "row.to(tl.int64)[:, None] * num_voxels",
        "row[:, None] * num_voxels",
        INTERPRETED,
    ),
    Mutant("masks are not read", MASKED, "tl.where(hidden == 0, logits", "tl.where(hidden < 2, logits", INTERPRETED),
    Mutant(
        "keys without a visible one in their part",
        MASKED,
        'tl.where(higher == -float("inf"), 0.0, higher)',
        "higher",
        INTERPRETED,
    ),
    Mutant("keys count in two parts", MASKED, "there = column < stop", "there = column < num_keys", INTERPRETED),
    Mutant("parts are not weighted", MASKED, "peak + tl.log(some)", "peak", INTERPRETED),
    Mutant("masks of other voxels", MASKED, "tl.load(rows + column,", "tl.load(rows + column * 0,", INTERPRETED),
    Mutant(
        "the last of equally far points",
        SAMPLING,
        "tl.min(tl.where(farthest == tl.max(farthest, axis=0), place, num_points), axis=0)",
        "tl.max(tl.where(farthest == tl.max(farthest, axis=0), place, 0), axis=0)",
        INTERPRETED,
    ),
    Mutant(
        "distances are not kept",
        SAMPLING,
        "tl.store(distance + row, nearest",
        "tl.store(distance + row, x",
        INTERPRETED,
    ),
    Mutant(
        "a point too many is sampled", SAMPLING, "there = row < num_points", "there = row <= num_points", INTERPRETED
    ),
    Mutant(
        "the farthest of the last points only",
        SAMPLING,
        "farthest = tl.maximum(nearest, farthest)",
        "farthest = nearest",
        INTERPRETED,
    ),
    Mutant(
        "products are used without a check",
        "network/kernels.py",
        "            check_products(kernels, module)",
        "            pass",
        f"{KERNELS}::test_products_that_disagree_are_not_used",
    ),
    Mutant("TF32 in float32", CONVOLUTION, 'input_precision="ieee"', 'input_precision="tf32"', COMPILED),
    Mutant(
        "the kernel starts on another GPU",
        LAUNCH,
        "with torch.cuda.device_of(x):",
        "if True:",
        INTERPRETED,
    ),
    Mutant("attention is causal", ATTENTION, "longest, 0.0, False, False", "longest, 0.0, True, False", SIMULATED),
    Mutant(
        "the longest group is off by one",
        ATTENTION,
        "ends, ends, longest, longest",
        "ends, ends, longest + 1, longest",
        SIMULATED,
    ),
    Mutant(
        "more groups than a grid holds",
        "network/groups.py",
        "MAX_GROUPS = 65_535",
        "MAX_GROUPS = 10**9",
        f"{NETWORK}::test_pieces_of_groups_hold_whole_groups_in_order",
    ),
    Mutant(
        "the bias of hidden keys overflows",
        DECODER,
        "torch.finfo(dtype).min / 2",
        "torch.finfo(dtype).min",
        f"{NETWORK}::test_a_chunk_whose_keys_are_all_hidden_gives_finite_values_in_float16",
    ),
    Mutant(
        "no wait for copies to the host",
        TRANSFER,
        "torch.cuda.current_stream(tensors[0].device).synchronize()",
        "pass",
        SIMULATED,
    ),
    Mutant(
        "copies from pageable memory",
        TRANSFER,
        "tensor.pin_memory().to(",
        "tensor.to(",
        "test/network/test_transfer.py",
    ),
    Mutant(
        "an index is left on the host",
        "segment/postprocess.py",
        "torch.as_tensor(kept, dtype=torch.int64, device=iou.device)",
        "torch.as_tensor(kept, dtype=torch.int64)",
        SIMULATED,
    ),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="mutants whose description contains this")
    only, rows = parser.parse_args().only, []
    with tempfile.TemporaryDirectory() as folder:
        copy = copied_package(pathlib.Path(folder))
        for mutant in MUTANTS:
            if only in mutant.what:
                rows.append((mutant.what, noticed(copy, mutant), mutant.test.split("test/")[-1]))
                print(*rows[-1], sep=" | ", file=sys.stderr)
    markdown(("change", "noticed", "by"), rows)
    sys.exit(any(row[1] == "no" for row in rows))


def copied_package(folder):
    """A copy of what the tests need. Returns its root."""
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    return folder


def noticed(root, mutant):
    """Whether the test of a Mutant fails with it: "yes" or "no"."""
    path = root / "spaceformer_ros" / mutant.file
    code = path.read_text()
    path.write_text(code.replace(mutant.old, mutant.new))
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", mutant.test]
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True)
    path.write_text(code)
    return "yes" if done.returncode == 1 else "no"  # 1: tests failed


if __name__ == "__main__":
    main()
