# SPDX-License-Identifier: Apache-2.0
"""Results of `bench.py` as markdown tables."""

import pathlib
import platform
from dataclasses import dataclass

import numpy as np
import scipy
import torch

from benchmarks.floor import PARTS


@dataclass(frozen=True)
class Case:
    """One map through one network. seconds: by stage; parts: seconds by part of the network; counts: multiply-adds."""

    config: str
    map: str
    points: int
    voxels: int
    tiles: int
    seconds: dict
    parts: dict
    counts: dict
    rate: float
    peak: int  # bytes of the network beyond those before it
    features: int  # bytes, minimum of any layer-by-layer execution
    tensors: int  # bytes of tensors at the peak of a second run; 0: not counted
    peak_again: int  # as `peak`, of that second run

    @property
    def floor(self):
        return 2 * sum(self.counts.values()) / self.rate


def machine(clock, options):
    """Processor and library versions, in one paragraph."""
    info = pathlib.Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    cpu = f"{names[0] if names else platform.processor()}, {torch.get_num_threads()} of {len(names)} cores"
    device = torch.cuda.get_device_name(clock.device) if clock.device.type == "cuda" else cpu
    versions = f"torch {torch.__version__}, numpy {np.__version__}, scipy {scipy.__version__}"
    return f"{device}; Python {platform.python_version()}, {versions}; {options.clock} clock"


def report(cases):
    """Print the tables of one network, as markdown."""
    stages = list(dict.fromkeys(stage for case in cases for stage in case.seconds))
    print("\nSeconds by stage; floor: 2 x multiply-adds / matrix rate:\n")
    rows = []
    for case in cases:
        seconds = [f"{case.seconds.get(stage, 0):.3f}" for stage in stages]
        ratio = case.seconds["network"] / case.floor
        rows.append((case.map, case.points, case.voxels, *seconds, f"{case.floor:.3f}", f"{ratio:.2f}"))
    markdown(("map", "points", "voxels", *stages, "floor", "network / floor"), rows)
    print(
        "\nMemory of the network, KiB per voxel (MiB); resident: what the process grew by, in the first run of a map,"
    )
    print("where products of new shapes are compiled, and in the second:\n")
    columns = "map", "voxels", "features", "tensors beyond", "resident beyond, first", "resident beyond, again"
    markdown(columns, [memory_row(case) for case in cases])
    print("\nThe network by part: GFLOP needed, seconds, seconds / floor:\n")
    names = list(dict.fromkeys((*PARTS, *(part for case in cases for part in case.parts))))
    rows = [(case.map, case.voxels, *(part_cell(case, part) for part in names)) for case in cases]
    markdown(("map", "voxels", *names), rows)


def memory_row(case):
    """Features, and the memory beyond them, in tensors and as resident memory."""

    def kib(size):
        return f"{size / 1024 / case.voxels:.2f}"

    def beyond(size):
        return kib(size - case.features) if size else ""

    first, again = (f"{beyond(peak)} ({peak / 2**20:.0f})" for peak in (case.peak, case.peak_again))
    return case.map, case.voxels, kib(case.features), beyond(case.tensors), first, again


def part_cell(case, part):
    seconds, work = case.parts.get(part, 0.0), 2 * case.counts.get(part, 0)
    return f"{work / 1e9:.1f}: {seconds:.3f} ({seconds * case.rate / work:.2f})" if work else f"{seconds:.3f}"


def markdown(columns, rows):
    for row in (columns, ["---"] * len(columns), *rows):
        print("| " + " | ".join(map(str, row)) + " |", flush=True)
