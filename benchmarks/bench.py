#!/usr/bin/env python3
"""How far is every stage from what the arithmetic needs? Usage: tools/env.sh python benchmarks/bench.py (`make bench`)

For maps of several sizes: seconds of every stage from the bytes of a message to the messages that the node sends; the
network by part, each beside its floor (multiply-adds that the map needs, by the highest matrix rate measured in this
run); memory at the peak; and, in the same run, the same network written plainly (benchmarks/naive.py) and, on CUDA
where it is installed, the official module warpconvnet. Ratios are within one run.

The released network runs with random weights: its times do not depend on them. What comes behind it would (a random
network finds 200 masks of half the map), so nothing does. `--clock cpu` counts processor seconds of all threads, for
machines where other programs run.
"""

import argparse
import contextlib
import json
import pathlib
import platform
from collections import Counter
from dataclasses import dataclass, replace
from types import SimpleNamespace

import naive
import numpy as np
import scipy
import torch
from floor import PARTS, count_feature_bytes, count_multiply_adds
from measure import Clock, TensorMemory, matrix_rate, part_seconds, plain_convolutions

import spaceformer_ros
from spaceformer_ros.checkpoint import RELEASED_TEXT_MODEL, Checkpoint, load_checkpoint
from spaceformer_ros.cloud import Cloud
from spaceformer_ros.cloud_io import read_cloud
from spaceformer_ros.config import Config, ModelConfig
from spaceformer_ros.memory import peak_bytes, release_memory, reset_peak
from spaceformer_ros.network.model import SpaCeFormer, SpaCeFormerConfig
from spaceformer_ros.pipeline import Pipeline, warm_up
from spaceformer_ros.pointcloud2 import cloud_columns, decode, encode
from spaceformer_ros.rooms import RoomConfig, make_room
from spaceformer_ros.segmenter import Segmenter
from spaceformer_ros.timing import Stopwatch
from spaceformer_ros.vocabulary import Similarity
from spaceformer_ros.voxels import Level, VoxelGrid
from spaceformer_ros.warp_backend import WarpConvNetBackend
from spaceformer_ros.worker import trim_heap

FIRST_SEED = 500_000
SIZES = {"demo": (20_000, 80_000, 300_000), "released": (5_000, 20_000)}  # points; voxels for "released"
FULL = (20_000, 80_000, 200_000, 700_000, 2_000_000)


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
    features: int  # bytes that no execution layer by layer can do without
    tensors: int  # bytes of tensors at the peak of a second run; 0: not counted
    peak_again: int  # as `peak`, of that second run

    @property
    def floor(self):
        return 2 * sum(self.counts.values()) / self.rate


def main():
    options = parse_options()
    clock = Clock(options.device, options.clock)
    print(machine(clock, options), flush=True)
    cases = []
    for name in options.config or ("demo", "released"):
        pipeline = make_pipeline(name, options)
        segmenter = pipeline.segmenter
        rate = matrix_rate(clock, segmenter.dtype)
        print(f"\n## {name}\n\nHighest matrix rate ({segmenter.dtype}): {rate / 1e9:.0f} GFLOP/s", flush=True)
        sizes = options.sizes or (FULL if options.full else SIZES[name])
        counted = segmenter.voxel_size if name == "released" else None
        found = [
            run(name, pipeline, source, cloud, rate, clock, options.tensors)
            for source, cloud in maps(options.map, sizes, counted)
        ]
        report(found)
        for source, cloud in maps(options.map, [options.compare], segmenter.voxel_size):
            compare(segmenter, source, cloud, clock, not options.no_naive)
        cases += found
    if options.json:
        options.json.write_text(json.dumps([vars(case) for case in cases], indent=1))


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", action="append", choices=tuple(SIZES), help="default: both")
    parser.add_argument("--map", action="append", default=[], help="a coloured cloud; default: generated rooms")
    parser.add_argument("--sizes", type=int, nargs="+", help="points of the maps; for released: voxels")
    parser.add_argument("--full", action="store_true", help=f"the sizes {', '.join(map(str, FULL))}")
    parser.add_argument(
        "--compare", type=int, default=2000, help="voxels of the map for other ways to compute the same"
    )
    parser.add_argument("--tensors", action="store_true", help="also count the memory of tensors, in one more run")
    parser.add_argument("--no-naive", action="store_true", help="leave the plain version out of it: it is slow")
    parser.add_argument("--dtype", default="auto", choices=("auto", "float32", "bfloat16", "float16"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--clock", default="wall", choices=("wall", "cpu"))
    parser.add_argument("--json", type=pathlib.Path, help="also write every figure here")
    return parser.parse_args()


def machine(clock, options):
    """What the figures belong to, in one paragraph."""
    info = pathlib.Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    cpu = f"{names[0] if names else platform.processor()}, {torch.get_num_threads()} of {len(names)} cores"
    device = torch.cuda.get_device_name(clock.device) if clock.device.type == "cuda" else cpu
    versions = f"torch {torch.__version__}, numpy {np.__version__}, scipy {scipy.__version__}"
    return f"{device}; Python {platform.python_version()}, {versions}; {options.clock} clock"


# --- what runs --------------------------------------------------------------------------------------------------------


class RandomTexts:
    """Stands in for the text model, which does not run in any of these stages."""

    model_id = "random"

    def __init__(self, channels):
        self.channels = channels

    def embed(self, texts):
        vectors = np.random.default_rng(0).normal(size=(len(texts), self.channels)).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def make_pipeline(name, options):
    """A Pipeline that works in one piece: tiles would change what the network needs."""
    config = Config()
    config = replace(
        config,
        tiling=replace(config.tiling, tile_voxels=10**8),
        input=replace(config.input, max_points=10**8, max_voxels=10**8),
    )
    torch.manual_seed(0)
    if name == "demo":
        checkpoint = load_checkpoint("demo")
    else:
        model = SpaCeFormer(SpaCeFormerConfig.released()).eval().requires_grad_(False)
        checkpoint = Checkpoint(model, RELEASED_TEXT_MODEL, Similarity(), "random", name)
    segmenter = Segmenter(checkpoint, ModelConfig(device=options.device, precision=options.dtype))
    warm_up(segmenter)
    return Pipeline(segmenter, RandomTexts(checkpoint.model.config.text_channels), checkpoint.similarity, config)


def maps(files, sizes, voxel_size):
    """Rows (name, Cloud): the middle of each map, of every size; maps that are too small are repeated side by side.

    voxel_size: None where sizes are points, or metres of the voxels that are counted instead.
    """
    sources = [(pathlib.Path(file).name, read_cloud(file).cloud) for file in files] or [
        ("generated", make_rooms(sizes))
    ]
    for name, cloud in sources:
        for size in sizes:
            yield name, middle(cloud, size, voxel_size)


def make_rooms(sizes):
    """Clouds of complete rooms side by side, at most eight different ones."""
    rooms, points, seed = [], 0, FIRST_SEED
    while points < max(sizes) and len(rooms) < 8:
        rooms.append(make_room(seed, RoomConfig(tours=(1, 0, 0), turned=0.0)).cloud)
        points, seed = points + len(rooms[-1]), seed + 1
    return side_by_side(rooms)


def side_by_side(clouds):
    """One Cloud, the clouds on a square grid."""
    columns = int(np.ceil(len(clouds) ** 0.5))
    pitch = max(float((high - low)[:2].max()) for low, high in (cloud.bounds for cloud in clouds)) + 0.2
    moved = [
        c.xyz - c.origin + np.float32([pitch * (i % columns), pitch * (i // columns), 0]) for i, c in enumerate(clouds)
    ]
    return Cloud(np.concatenate(moved), np.concatenate([cloud.rgb for cloud in clouds]))


def middle(cloud, size, voxel_size):
    """What lies nearest to the middle of the map, after repeating it as often as it takes: a Cloud of this size."""
    rows = voxel_rows(cloud, voxel_size)
    if rows.max() + 1 < size:
        cloud = side_by_side([cloud] * -(-size // int(rows.max() + 1)))
        rows = voxel_rows(cloud, voxel_size)
    distance = np.full(rows.max() + 1, np.inf)
    np.minimum.at(distance, rows, np.abs(cloud.xyz - cloud.origin)[:, :2].max(axis=1))
    inside = np.zeros(len(distance), dtype=bool)
    inside[np.argpartition(distance, min(size, len(distance)) - 1)[:size]] = True
    return cloud[inside[rows]]


def voxel_rows(cloud, voxel_size):
    """[N] voxel of every point, or its own number where points are counted."""
    if voxel_size is None:
        return np.arange(len(cloud))
    return VoxelGrid.from_points(
        torch.from_numpy(cloud.xyz - cloud.origin), torch.zeros(len(cloud), 1), voxel_size
    ).point_to_voxel.numpy()


# --- one map ----------------------------------------------------------------------------------------------------------


def run(name, pipeline, source, cloud, rate, clock, with_tensors=False):
    """Case of a Cloud: every stage once, from a message to messages; up to the network for "released"."""
    segmenter, keys, peaks, network, tensors, parts = pipeline.segmenter, [], [], [], [(0, 0)], Counter()
    segmenter.forget()
    pipeline.clear()
    predict = segmenter.backend.predict

    def remember(grid, orders):
        again = lambda: predict(replace(grid, level=Level(grid.level.key)), orders)  # noqa: E731
        on_cpu = segmenter.device.type == "cpu"
        if not on_cpu:
            again()  # first-time work; and there, waiting at every part would slow the measured run down
        before, start = start_of_peak(segmenter.device), clock.now()
        with part_seconds(segmenter.backend.model, clock) if on_cpu else contextlib.nullcontext() as measured:
            prediction = again()
        network.append(clock.now() - start)
        peaks.append(peak_bytes(segmenter.device) - before)
        if not on_cpu:
            with part_seconds(segmenter.backend.model, clock) as measured:
                again()
        if with_tensors:
            with TensorMemory():
                torch.zeros(1)  # first-time work of the counter
            before = start_of_peak(segmenter.device)
            with TensorMemory() as memory:
                again()
            tensors.append((memory.peak, peak_bytes(segmenter.device) - before))
        parts.update(measured)
        keys.append(grid.level.key.cpu())
        return prediction

    message = to_message(cloud)
    stopwatch = Stopwatch(clock.now)
    segmenter.backend.predict = remember
    try:
        with stopwatch.stage("decode"):
            decoded = decode(message).cloud
        if name == "released":
            with stopwatch.stage("voxelise"):
                grid = grid_of(decoded, segmenter)
            with torch.inference_mode():
                remember(grid, segmenter.orders)
        else:
            scene = pipeline.process(decoded, stopwatch).scene
    finally:
        del segmenter.backend.predict
    stopwatch.seconds["network"] = sum(network)  # without the preparations for measuring memory
    if name != "released":
        make_messages(scene, pipeline.config, stopwatch)
    counts, voxels = Counter(), sum(map(len, keys)) // segmenter.looks
    for key in keys:
        counts.update(count_multiply_adds(segmenter.backend.model, Level(key), segmenter.orders))
    parts["query decoder"] = stopwatch.seconds["network"] - sum(parts.values())
    itemsize = segmenter.dtype.itemsize
    features = max(count_feature_bytes(segmenter.backend.model, Level(key), itemsize) for key in keys)
    return Case(
        config=name,
        map=source,
        points=len(cloud),
        voxels=voxels,
        tiles=len(keys),
        seconds=stopwatch.seconds,
        parts=dict(parts),
        counts=dict(counts),
        rate=rate,
        peak=max(peaks),
        features=features,
        tensors=max(tensors)[0],
        peak_again=max(tensors)[1],
    )


def grid_of(cloud, segmenter):
    """VoxelGrid of a Cloud on the device, seen from the middle of its bounds."""
    return VoxelGrid.from_points(*tensors_of(cloud, segmenter.device), segmenter.voxel_size)


def tensors_of(cloud, device):
    """Points [N, 3] float32 metres from the middle of their bounds, and colours [N, 3] in [-1, 1]."""
    return [torch.from_numpy(array).to(device) for array in (cloud.xyz - cloud.origin, cloud.colors)]


def start_of_peak(device):
    """Give back what is free, and watch memory from here on. Returns the bytes in use."""
    release_memory(device)
    trim_heap()
    return reset_peak(device)


def to_message(cloud):
    """What `decode` needs of a PointCloud2."""
    encoded = encode(cloud_columns(cloud))
    fields = [
        SimpleNamespace(name=name, offset=offset, datatype=kind, count=1) for name, offset, kind in encoded.fields
    ]
    stamp = SimpleNamespace(sec=1, nanosec=0)
    return SimpleNamespace(
        header=SimpleNamespace(frame_id="map", stamp=stamp),
        height=1,
        width=len(cloud),
        fields=fields,
        is_bigendian=False,
        point_step=encoded.point_step,
        row_step=encoded.point_step * len(cloud),
        data=encoded.data,
    )


def make_messages(scene, config, stopwatch):
    """Time the messages of a scene, where ROS is there to make them."""
    try:
        from spaceformer_ros.markers import scene_markers
        from spaceformer_ros.ros import messages
    except ImportError:
        return
    with stopwatch.stage("messages"):
        shown = scene.published(0.0)
        array = messages.to_instance_array(scene, shown)
        messages.to_labeled_cloud(scene, shown, config.output)
        messages.to_marker_array(scene_markers(shown, config.output), [], array.header)


# --- other ways to compute the same -----------------------------------------------------------------------------------


def compare(segmenter, source, cloud, clock, with_naive=True):
    """Print a table: this package's network against others on the same voxels, in this run."""
    model, device = segmenter.backend.model, segmenter.device
    first, rows = grid_of(cloud, segmenter), []

    def measure(name, predict):
        predict()  # first-time work
        before, start = start_of_peak(device), clock.now()
        masks = predict()
        rows.append((name, clock.now() - start, peak_bytes(device) - before, masks))

    with torch.inference_mode():
        grid = lambda: replace(first, level=Level(first.level.key))  # noqa: E731 - nothing of an earlier run in it
        own = lambda: model(grid(), segmenter.orders)[0].mask_logits  # noqa: E731
        measure("spaceformer_ros", own)
        if device.type == "cuda":
            compare_convolutions(model, own, measure, clock)
        if with_naive and not model.config.seeded_queries:
            measure("plain PyTorch (naive.py)", lambda: naive.predict(model, first.positions, first.features)[0])
        for name, predict in official(segmenter, grid, cloud):
            measure(name, predict)
    if len(rows) > 1:
        print(f"\nThe same network on {len(first)} voxels of {source}:\n")
        _, seconds, _, ours = rows[0]
        shown = [
            (name, f"{t:.3f}", f"{t / seconds:.1f}", f"{peak / 2**20:.0f}", f"{mask_agreement(ours, masks):.3f}")
            for name, t, peak, masks in rows
        ]
        markdown(("", "seconds", "times ours", "peak MiB", "mask IoU with ours"), shown)


def compare_convolutions(model, predict, measure, clock):
    """Print the seconds of the convolutions with and without the Triton kernel, and measure the network without."""

    def seconds():
        with part_seconds(model, clock) as parts:
            predict()
        return parts["convolution"]

    fast = seconds()
    with plain_convolutions(model) as taken:
        if taken:
            measure("convolutions without Triton", predict)
        print(f"\nConvolutions: {fast:.3f} s with Triton, {seconds():.3f} s without" if taken else "\nwithout Triton")


def official(segmenter, grid, cloud):
    """Rows (name, function) of the official module on one mean point per voxel and on all points; none without it."""
    model = segmenter.backend.model
    if segmenter.device.type != "cuda" or model.config != SpaCeFormerConfig.released():
        return
    try:
        backend = WarpConvNetBackend(model, segmenter.device, segmenter.dtype)
    except spaceformer_ros.SpaceformerError as error:
        print(f"\nwithout warpconvnet: {error}")
        return
    points = Points(*tensors_of(cloud, segmenter.device))
    voxel = grid().point_to_voxel
    some = torch.empty(len(grid()), dtype=torch.int64, device=voxel.device)
    some[voxel] = torch.arange(len(voxel), device=voxel.device)  # one point of each voxel, to compare masks there
    yield "warpconvnet, one point per voxel", lambda: backend.predict(grid(), segmenter.orders).mask_logits
    yield "warpconvnet, every point", lambda: backend.predict(points, segmenter.orders).mask_logits[some]


@dataclass(frozen=True)
class Points:
    """What the official module's backend reads of a grid."""

    positions: torch.Tensor
    features: torch.Tensor

    def __len__(self):
        return len(self.positions)


def mask_agreement(a, b):
    """Mean IoU of the masks of the same queries, of those that hold anything. a, b: [N, Q] logits."""
    a, b = a > 0, b > 0
    either = (a | b).sum(dim=0)
    return ((a & b).sum(dim=0)[either > 0] / either[either > 0]).mean().item()


# --- tables -----------------------------------------------------------------------------------------------------------


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
    """Features, and what was in use beyond them, as counted in tensors and as the system sees it."""
    kib = lambda size: f"{size / 1024 / case.voxels:.2f}"  # noqa: E731
    beyond = lambda size: kib(size - case.features) if size else ""  # noqa: E731
    first, again = (f"{beyond(peak)} ({peak / 2**20:.0f})" for peak in (case.peak, case.peak_again))
    return case.map, case.voxels, kib(case.features), beyond(case.tensors), first, again


def part_cell(case, part):
    seconds, work = case.parts.get(part, 0.0), 2 * case.counts.get(part, 0)
    return f"{work / 1e9:.1f}: {seconds:.3f} ({seconds * case.rate / work:.2f})" if work else f"{seconds:.3f}"


def markdown(columns, rows):
    for row in (columns, ["---"] * len(columns), *rows):
        print("| " + " | ".join(map(str, row)) + " |", flush=True)


if __name__ == "__main__":
    main()
