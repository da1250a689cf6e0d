"""From a cloud to instances: shift, voxelise, run the network on its device, extract."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from .. import SpaceformerError
from ..config import Config
from ..instances import VoxelMap
from ..network.model import drawn_orders, fixed_orders
from ..network.transfer import to_device, to_host
from ..network.voxels import Level, VoxelGrid, pack
from ..timing import Stopwatch
from .backends import choose_device, choose_precision, make_backend
from .flip_tta import look
from .map_grid import BLOCK, MapGrid
from .memory import MemoryMeter, OutOfMemory, explained, release_memory
from .postprocess import BoxMemory, find_masks, measure
from .tiles.cache import TileMemory, VoxelRows
from .tiles.merge import merge_tiles
from .tiles.plan import Columns, plan_tiles

logger = logging.getLogger(__name__)

SURFACE_PER_QUERY = 1.0  # square metres that a query of the network is good for: in larger tiles it finds less
LEAST_TILE = 1000  # voxels; smaller tiles show the network too little
ADVICE = "memory ran out: set max_memory_gb to what may be used, lower tile_voxels or max_points, or set roi"


@dataclass(frozen=True)
class RunReport:
    """How a cloud was segmented: in how many tiles (1: in one piece), how many of them ran, and what to remark."""

    tiles: int = 1
    computed: int = 1
    remarks: tuple = ()


@dataclass(frozen=True)
class _Run:
    """What goes with one call of `segment`."""

    config: Config
    stopwatch: Stopwatch
    progress: Callable
    show: Callable | None


class Segmenter:
    """Owns a checkpoint on a device, and what it knows of a map that is cut into tiles. One thread at a time."""

    def __init__(self, checkpoint, config):
        """config: ModelConfig. Raises SpaceformerError where the device, precision or backend cannot be had."""
        self.device = choose_device(config.device)
        self.dtype = choose_precision(config.precision, self.device)
        network = checkpoint.model.config
        self.voxel_size, self.along_walls = network.voxel_size, network.along_walls
        self.nms_iou, self.fuse_iou = network.nms_iou, network.fuse_iou
        self.looks = config.looks or network.looks
        self.model_name, self.model_sha256 = checkpoint.name, checkpoint.sha256
        self.orders = fixed_orders(network) if config.order_seed < 0 else drawn_orders(network, config.order_seed)
        self.backend = make_backend(config.backend, checkpoint.model, self.device, self.dtype)
        self.scope = int(network.num_queries * SURFACE_PER_QUERY / network.voxel_size**2)
        self.meter = MemoryMeter(network, self.device, self.dtype, self.looks)
        self.report = RunReport()
        self.forget()

    @torch.inference_mode()
    def segment(self, cloud, config, stopwatch=None, progress=None, show=None):
        """Instances of a Cloud, in its frame. config: Config; progress: called with (number, count) before a tile runs.

        The same cloud gives the same instances; the order of its points does not matter. A map that is too large for
        one run goes through the network in tiles; those that have not changed since the last call are not run again.
        show: called after every tile that ran but the last, with a function that gives the Instances that are settled
        so far: those of the result that no later tile sees, which are its first rows (unless max_instances cuts it).
        `report` says afterwards how it went. Raises SpaceformerError.
        """
        run = _Run(config, stopwatch or Stopwatch(), progress or (lambda number, count: None), show)
        self.report = RunReport()
        check_reach(cloud, self.voxel_size)
        budget = self._tile_budget(config.tiling)
        with run.stopwatch.stage("voxelise", self._wait), explained(ADVICE):
            grid, view, known = self._map.see(cloud, 2 * budget)
            positions, point_to_voxel, counts = to_host(grid.positions, grid.point_to_voxel, grid.counts)
            voxels = VoxelMap(view.to_map(positions), point_to_voxel, self.voxel_size, counts)
        if not known:
            self._tiles = TileMemory()
        check_size(len(grid), config.input.max_voxels, self.voxel_size)
        return self._measure(self._find_with_retry(grid, voxels, budget, run), voxels, run)

    def _find_with_retry(self, grid, voxels, budget, run):
        """Masks on the grid. Where memory runs out: once more, with half of the voxels at a time."""
        try:
            with explained(ADVICE):
                return self._find(grid, voxels, budget, run)
        except OutOfMemory as error:
            failed = min(2 * budget, len(grid))
            remark = f"out of memory with up to {failed} voxels at once; went on with at most {failed // 2}"
            logger.warning("%s (%s)", remark, error)
        release_memory(self.device)  # after the except clause: what its traceback held is free by now
        self.meter.failed(failed, run.config.tiling.max_memory_gb)
        with explained(ADVICE):
            masks = self._find(grid, voxels, failed // 4, run)
        self.report = replace(self.report, remarks=(remark,))
        return masks

    def _find(self, grid, voxels, budget, run):
        """Masks on the grid: in one piece up to twice the budget, else in tiles of at most so many voxels."""
        if len(grid) <= 2 * budget:
            return self._run(grid, voxels.positions, run)
        with run.stopwatch.stage("plan"):
            columns = Columns.of(*to_host(*grid.level.piles()), self.voxel_size)
            plan = plan_tiles(columns, budget, run.config.tiling.tile_margin, self._tiles.plan)
            self._tiles.keep(plan, run.config.postprocess)
        regions, owner = [columns.voxels(tile) for tile in plan], columns.owner(plan)
        parts = self._recall(plan, regions, grid, run)  # by tile, in the order in which they are looked at
        self.report = RunReport(len(plan), len(plan) - len(parts))

        def merged():
            with run.stopwatch.stage("merge"):
                return merge_tiles(parts, regions, owner, self._nms_iou(run.config.postprocess))

        for number in [number for number in range(len(plan)) if number not in parts]:
            run.progress(number + 1, len(plan))
            rows = regions[number]
            now = voxel_rows(grid, rows)
            masks = self._run(take_rows(grid, rows), now.positions, run)
            self._tiles.store(plan[number], now, masks)
            parts[number] = in_map(masks, rows)
            if run.show and len(parts) < len(plan):
                run.show(lambda: self._measure(merged(), voxels, run))
        return merged()

    def _recall(self, plan, regions, grid, run):
        """Dict of tile -> Masks as rows of the map, for the tiles that have not changed since they ran."""
        parts = {}
        with run.stopwatch.stage("recall"):
            for number, (tile, rows) in enumerate(zip(plan, regions)):
                now = voxel_rows(grid, rows)
                masks = self._tiles.recall(tile, now, run.config.input.change_threshold, self.voxel_size)
                if masks is not None:
                    parts[number] = in_map(masks, rows)
        return parts

    def _measure(self, masks, voxels, run):
        with run.stopwatch.stage("postprocess"):
            return measure(masks, voxels, run.config.postprocess, self._boxes.fit)

    def _run(self, grid, positions, run):
        """Masks that the network finds in one grid. positions: [M, 3] float32 metres."""
        with run.stopwatch.stage("network", self._wait), self.meter.measure(len(grid)):
            prediction = look(self.backend, grid, self.orders, self.looks)
        with run.stopwatch.stage("postprocess", self._wait):
            config = run.config.postprocess
            return find_masks(prediction, positions, grid.counts, config, self._nms_iou(config), self.fuse_iou)

    def _nms_iou(self, config):
        return config.nms_iou if config.nms_iou >= 0 else self.nms_iou

    def _tile_budget(self, config):
        """Voxels of a tile: what the network's queries can cover, halved until memory allows twice as many."""
        budget = config.tile_voxels or self.scope
        fits = self.meter.voxels(config.max_memory_gb)
        while 2 * budget > fits and budget > LEAST_TILE:  # halves: a little less free memory changes no plan
            budget //= 2
        return budget

    def forget(self):
        """Forget the map: the next one is looked at as if it were the first."""
        self._map = MapGrid(self.voxel_size, self.device, self.along_walls)
        self._tiles, self._boxes = TileMemory(), BoxMemory()

    def cancel(self):
        """Break off the running inference soon, and refuse later ones. Any thread may call."""
        self.backend.cancel()

    def facts(self):
        """What runs where, for the log and the diagnostics."""
        return {"backend": self.backend.name, "device": str(self.device), "precision": str(self.dtype).split(".")[1]}

    def _wait(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def take_rows(grid, rows):
    """The VoxelGrid of some voxels, seen from the middle of their own bounds as if they were a cloud of their own.

    rows: [m] sorted int array. The new origin is a whole number of voxels away, so that no voxel is cut.
    """
    rows = to_device(rows, grid.positions.device)
    coords = Level(grid.level.key[rows]).coords
    low, high = coords.amin(dim=0), coords.amax(dim=0)
    shift = torch.cat([torch.div(low + high, 2, rounding_mode="floor")[:2], low[2:]])
    level = Level(pack(coords - shift, torch.zeros_like(rows)))
    positions = grid.positions[rows] - shift * grid.voxel_size
    own = torch.arange(len(rows), dtype=torch.int32, device=rows.device)  # no points: each voxel stands for itself
    return VoxelGrid(level, positions, grid.features[rows], own, grid.counts[rows], grid.voxel_size)


def voxel_rows(grid, rows):
    """The VoxelRows of some voxels of a VoxelGrid. rows: [m] sorted int array."""
    rows = to_device(rows, grid.positions.device)
    return VoxelRows(*to_host(*(v.index_select(0, rows) for v in (grid.level.key, grid.positions, grid.features))))


def in_map(masks, rows):
    """Masks of a tile as rows of the map. rows: [m] those of the tile's voxels."""
    return replace(masks, rows=tuple(rows[mask].astype(np.int32) for mask in masks.rows))


def check_size(voxels, max_voxels, voxel_size):
    """Raises SpaceformerError for a map of more than max_voxels voxels."""
    if voxels > max_voxels:
        raise SpaceformerError(
            f"the cloud occupies {voxels} voxels of {voxel_size} m, more than max_voxels {max_voxels}: "
            "set roi to the part that matters, or raise max_voxels"
        )


def check_reach(cloud, voxel_size):
    """Raises SpaceformerError for a cloud so far from the origin of its frame that float32 cannot tell voxels apart."""
    parts = (cloud.xyz[start : start + BLOCK] for start in range(0, len(cloud), BLOCK))
    reach = max(max(part.max(), -part.min()) for part in parts)  # of 20 million points in half the time
    if np.spacing(reach) > voxel_size:
        raise SpaceformerError(
            f"the cloud reaches {reach:.6g} m from the origin of its frame, where float32 coordinates lie "
            f"{np.spacing(reach):.3g} m apart, more than voxel_size {voxel_size} m: crop the cloud, remove far "
            "outliers, or move the origin of the frame closer"
        )
