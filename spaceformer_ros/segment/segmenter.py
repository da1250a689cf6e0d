# SPDX-License-Identifier: Apache-2.0
"""Segment a cloud into instances: align, voxelise, run the network on its device, extract masks."""

import functools
import logging
import time
from dataclasses import dataclass, replace

import numpy as np
import torch

from .. import SpaceformerError
from ..clouds.cloud import Cloud
from ..config import Config
from ..geometry.floor import base_height
from ..instances import PartialSegmentation, Segmentation, SegmentationReport, VoxelMap
from ..network.model import fixed_orders
from ..network.packing import pack
from ..network.transfer import to_device, to_host
from ..network.voxels import Level, VoxelGrid
from ..timing import Stopwatch
from .alignment import Alignment
from .backends import choose_device, choose_precision, make_backend
from .heat import mask_probability
from .map_grid import BLOCK, MapGrid
from .mask_boxes import BoxCache, Surroundings
from .measure import measure
from .memory import MemoryMeter, OutOfMemory, explained, release_memory
from .naming import rename_masks
from .point_names import PointNames
from .postprocess import find_masks
from .tiles.cache import TileCache, VoxelRows
from .tiles.plan import Columns, plan_tiles
from .tiles.tiled_map import TiledMap
from .views import predict_views

logger = logging.getLogger(__name__)

# Square metres of surface that one query of the network covers; larger tiles lose recall.
AREA_PER_QUERY = 0.67  # of learned queries
AREA_PER_SEED = 0.34  # of queries that start at voxels, chosen on houses (docs/demo_weights.md)
TILES_AT_ONCE = 3  # a map of up to so many tiles is one run: in single rooms tiles cost time and precision
MIN_TILE_VOXELS = 1000  # smaller tiles give the network too little context
ADVICE = "out of memory: set max_memory_gb to the available memory, lower tile_voxels or max_points, or set roi"


@dataclass(frozen=True)
class Source:
    """What the masks of one run are measured on: a Cloud, its Alignment and its VoxelMap."""

    cloud: Cloud
    alignment: Alignment
    voxels: VoxelMap


class Segmenter:
    """Runs a checkpoint on a device; keeps the voxels and tiles of the last map. For one thread at a time."""

    def __init__(self, checkpoint, config):
        """config: ModelConfig. Raises SpaceformerError if the device, precision or backend is not available."""
        self.model_name = checkpoint.name
        self.model_sha256 = checkpoint.sha256
        self.device = choose_device(config.device)
        self.dtype = choose_precision(config.precision, self.device)
        self.backend = make_backend(config.backend, checkpoint.model, self.device, self.dtype)
        self.network = checkpoint.model.config
        self.orders = fixed_orders(self.network)
        self.views = config.network_views
        queries = replace(self.network, num_queries=config.network_views * self.network.num_queries)
        self.meter = MemoryMeter(queries, self.device, self.dtype)
        self.forget()

    @property
    def voxel_size(self):
        """Edge of a voxel in metres, fixed by the checkpoint."""
        return self.network.voxel_size

    def segment(self, cloud, config, stopwatch=None):
        """The complete Segmentation of a Cloud: the last one of `segment_in_parts`."""
        *_, complete = self.segment_in_parts(cloud, config, stopwatch)
        return complete

    @torch.inference_mode()
    def segment_in_parts(self, cloud, config, stopwatch=None):
        """Yield a PartialSegmentation of a Cloud before each tile runs, then the complete Segmentation.

        A map that is too large for one run of the network is processed in tiles; tiles that have not changed since the
        last call keep their masks. The instances of a partial result are the first ones of the next (unless
        max_instances cuts them off). If memory runs out, the map is processed once more in smaller tiles.

        The same cloud gives the same instances, in any order of its points. config: Config; stopwatch: Stopwatch that
        receives the seconds per stage. Raises SpaceformerError.
        """
        stopwatch = stopwatch or Stopwatch()
        check_range(cloud, self.voxel_size)
        max_voxels = self._max_voxels_per_run(config.tiling)
        with stopwatch.stage("voxelise", self._wait), explained(ADVICE):
            grid, source, remarks = self._voxelise(cloud, max_voxels, config.input)
        check_size(len(grid), config.input.max_voxels, self.voxel_size)
        try:
            with explained(ADVICE):
                yield from self._segment_grid(grid, source, max_voxels, config, stopwatch, remarks)
                return
        except OutOfMemory as error:
            failed = min(max_voxels, len(grid))
            remark = f"out of memory with up to {failed} voxels per run; retried with at most {failed // 2}"
            logger.warning("%s (%s)", remark, error)
        release_memory(self.device)  # after the except clause, when its traceback no longer holds tensors
        self.meter.failed(failed, config.tiling.max_memory_gb)
        with explained(ADVICE):
            yield from self._segment_grid(grid, source, failed // 2, config, stopwatch, (*remarks, remark))

    @torch.inference_mode()
    def mask_heat(self, cloud, config, inside):
        """[N] float32 in [0, 1]: the probability that each point of a segmented Cloud belongs to an object.

        The network runs again, on the whole map or on the tiles that contain the object; points of other tiles have 0.
        The cached map is not used and not changed. inside: [N] bool, the object's points. Raises SpaceformerError.
        """
        max_voxels = self._max_voxels_per_run(config.tiling)
        with explained(ADVICE):
            grid, _, _ = self.new_map_grid().update(cloud, max_voxels, *_alignment_options(config.input))
            positions, point_to_voxel = to_host(grid.positions, grid.point_to_voxel)
            object_voxels = np.zeros(len(grid), dtype=bool)
            object_voxels[point_to_voxel[inside]] = True
            heat = np.zeros(len(grid), dtype=np.float32)
            for rows in self._regions(grid, max_voxels, config.tiling.tile_margin):
                if object_voxels[rows].any():
                    whole = len(rows) == len(grid)
                    part = grid if whole else take_rows(grid, rows, positions[rows, 2])
                    prediction = self._predict(part)
                    own = object_voxels[rows], config.postprocess.mask_threshold, self.network.fuse_iou
                    heat[rows] = np.maximum(heat[rows], mask_probability(prediction, *own))
        return heat[point_to_voxel]

    def _regions(self, grid, max_voxels, margin):
        """The rows of a grid that each run of the network gets: all, or those of each tile of a new plan."""
        if len(grid) <= max_voxels:
            return [np.arange(len(grid))]
        columns = self._columns(grid)
        plan = plan_tiles(columns, max_voxels // TILES_AT_ONCE, margin, ())
        return TiledMap(columns, plan, self.network.text_channels).regions

    def _voxelise(self, cloud, max_voxels, config):
        """VoxelGrid of a Cloud, its Source and remarks; clears the tile cache if this is another map.

        config: InputConfig.
        """
        grid, alignment, same_map = self._map_grid.update(cloud, max_voxels, *_alignment_options(config))
        positions, point_to_voxel, counts = to_host(grid.positions, grid.point_to_voxel, grid.counts)
        if not same_map:
            self._tiles = TileCache()
        positions = alignment.to_map(positions)
        self._surroundings = Surroundings.of(positions, alignment.wall_yaw, alignment.up)
        voxels = VoxelMap(positions, point_to_voxel, self.voxel_size / alignment.scale, counts)
        return grid, Source(cloud, alignment, voxels), alignment_remarks(alignment)

    def _segment_grid(self, grid, source, max_voxels, config, stopwatch, remarks=()):
        """As `segment_in_parts`, for a grid: in one run up to max_voxels, else in tiles of at most a third of it.

        A tile of an earlier plan may grow to twice as many before it is cut.
        """
        if len(grid) <= max_voxels:
            masks = self._find_masks(grid, source.voxels.positions, config.postprocess, stopwatch)
            report = SegmentationReport(remarks=remarks)
        else:
            tiled = self._plan(grid, max_voxels // TILES_AT_ONCE, config, stopwatch)
            pending = self._recall(tiled, grid, config.input.change_threshold, stopwatch)
            for computed, number in enumerate(pending):
                report = SegmentationReport(len(tiled), computed, remarks)
                settled = functools.partial(self._settled, tiled.snapshot(), source, config.postprocess, stopwatch)
                yield PartialSegmentation(settled, report, next_tile=number + 1)
                self._run_tile(tiled, number, grid, config.postprocess, stopwatch)
            masks = self._merge(tiled, config.postprocess, stopwatch)
            report = SegmentationReport(len(tiled), len(pending), remarks)
        yield Segmentation(self._measure(masks, source, config.postprocess, stopwatch), report)

    def _plan(self, grid, tile_voxels, config, stopwatch):
        """The TiledMap of a grid, of tiles that continue those of the last call."""
        with stopwatch.stage("plan"):
            columns = self._columns(grid)
            plan = plan_tiles(columns, tile_voxels, config.tiling.tile_margin, self._tiles.plan)
            self._tiles.use_plan(plan, config.postprocess)
        return TiledMap(columns, plan, self.network.text_channels)

    def _columns(self, grid):
        return Columns.of(*to_host(*grid.level.piles()), self.voxel_size)

    def _recall(self, tiled, grid, change_threshold, stopwatch):
        """Reuse the masks of tiles that have not changed. Returns the numbers of the other tiles."""
        with stopwatch.stage("recall"):
            for number, tile in enumerate(tiled.plan):
                now = voxel_rows(grid, tiled.regions[number])
                masks = self._tiles.recall(tile, now, change_threshold, self.voxel_size)
                if masks is not None:
                    tiled.add(number, masks)
        return tiled.pending()

    def _run_tile(self, tiled, number, grid, config, stopwatch):
        """Run the network on one tile and store its masks. config: PostprocessConfig."""
        rows = tiled.regions[number]
        now = voxel_rows(grid, rows)
        masks = self._find_masks(take_rows(grid, rows, now.positions[:, 2]), now.positions, config, stopwatch)
        self._tiles.store(tiled.plan[number], now, masks)
        tiled.add(number, masks)

    def _find_masks(self, grid, positions, config, stopwatch):
        """Masks that the network finds in one grid. positions: [M, 3] float32 metres; config: PostprocessConfig."""
        with stopwatch.stage("network", self._wait), self.meter.measure(len(grid)):
            prediction = self._predict(grid)
        with stopwatch.stage("postprocess", self._wait):
            limits = self._nms_iou(config), self.network.fuse_iou
            masks = find_masks(prediction, positions, grid.counts, config, *limits)
            return rename_masks(masks, prediction, grid, self.backend.name_head)

    def _predict(self, grid):
        return predict_views(self.backend, grid, self.orders, self.views)

    def _settled(self, tiled, source, config, stopwatch):
        """The Instances that no later tile can change. config: PostprocessConfig."""
        with explained(ADVICE):
            return self._measure(self._merge(tiled, config, stopwatch), source, config, stopwatch)

    def _merge(self, tiled, config, stopwatch):
        with stopwatch.stage("merge"):
            return tiled.merged(self._nms_iou(config))

    def _measure(self, masks, source, config, stopwatch):
        with stopwatch.stage("postprocess", self._wait):
            fit = functools.partial(self._boxes.fit, surroundings=self._surroundings)
            instances = measure(masks, source.voxels, config, fit)
            instances = self._names.rename(instances, source.cloud, source.alignment)
        if not np.isfinite(instances.features).all():
            raise SpaceformerError(
                f"the features of objects are not finite in {self.facts()['precision']}: set precision to float32, or, "
                "if it is, use another checkpoint"
            )
        return instances

    def _nms_iou(self, config):
        return config.nms_iou if config.nms_iou >= 0 else self.network.nms_iou

    def _max_voxels_per_run(self, config):
        """Voxels up to which a map is processed in one run: TILES_AT_ONCE tiles, as far as memory allows.

        config: TilingConfig. Tiles are halved rather than fitted to the free memory, so that a little less of it does
        not change the plan.
        """
        area = AREA_PER_SEED if self.network.seeded_queries else AREA_PER_QUERY
        preferred = int(self.network.num_queries * area / self.voxel_size**2)
        tile_voxels = config.tile_voxels or preferred
        fits = self.meter.voxels(config.max_memory_gb)
        while TILES_AT_ONCE * tile_voxels > fits and tile_voxels > MIN_TILE_VOXELS:
            tile_voxels //= 2
        return TILES_AT_ONCE * tile_voxels

    def new_map_grid(self):
        """An empty MapGrid for maps of this network."""
        return MapGrid(self.voxel_size, self.device, self.network.along_walls)

    def forget(self):
        """Drop the cached map: the next cloud is processed as if it were the first."""
        self._map_grid = self.new_map_grid()
        self._tiles = TileCache()
        self._boxes = BoxCache()
        self._names = PointNames(self.backend.point_head, self.device)
        self._surroundings = None

    def warm_up(self):
        """Run once on a generated wall, so that the first real cloud does not pay for one-time initialisation."""
        start = time.perf_counter()
        rng = np.random.default_rng(0)
        xyz = rng.uniform((0, 0, 0), (3.0, 0.1, 2.0), (20_000, 3)).astype(np.float32)
        self.segment(Cloud(xyz, rng.integers(0, 256, xyz.shape, dtype=np.uint8)), Config())
        logger.info("warm-up took %.1f s", time.perf_counter() - start)

    def cancel(self):
        """Stop the running inference soon and refuse later ones. May be called from any thread."""
        self.backend.cancel()

    def facts(self):
        """Backend, device and precision, for the log and the diagnostics: dict of str."""
        return {"backend": self.backend.name, "device": str(self.device), "precision": str(self.dtype).split(".")[1]}

    def _wait(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def _alignment_options(config):
    """Whether maps are levelled and table tops enlarged. config: InputConfig."""
    return config.level == "auto", config.enlarge == "auto"


def alignment_remarks(alignment):
    """Tuple of sentences for the user about a map that was levelled or enlarged."""
    remarks = []
    if alignment.tilt:
        remarks.append(f"the floor is tilted by {alignment.tilt:.1f} degrees: levelled for the network")
    if alignment.scale != 1:
        enlarged = f"enlarged {alignment.scale:g} times for the network (if it is a room, set input_scale)"
        remarks.append(f"the map shows a table top: {enlarged}")
    return tuple(f"{remark}; results stay in the map's frame" for remark in remarks)


def take_rows(grid, rows, heights):
    """The VoxelGrid of some voxels, with its origin at their own centre and base height, as for a separate cloud.

    rows: [m] sorted int array; heights: [m] metres, of these voxels' positions. The origin moves by whole voxels, so
    that voxels stay the same cells.
    """
    rows = to_device(rows, grid.positions.device)
    coords = Level(grid.level.key[rows]).coords
    base = coords[int(np.argmax(heights == base_height(heights)))]
    center = torch.div(coords.amin(dim=0) + coords.amax(dim=0), 2, rounding_mode="floor")
    shift = torch.cat([center[:2], base[2:]])
    level = Level(pack(coords - shift, torch.zeros_like(rows)))
    positions = grid.positions[rows] - shift * grid.voxel_size
    own = torch.arange(len(rows), dtype=torch.int32, device=rows.device)  # the points are left out: one row per voxel
    return VoxelGrid(level, positions, grid.features[rows], own, grid.counts[rows], grid.voxel_size)


def voxel_rows(grid, rows):
    """The VoxelRows of some voxels of a VoxelGrid. rows: [m] sorted int array."""
    rows = to_device(rows, grid.positions.device)
    return VoxelRows(*to_host(*(v.index_select(0, rows) for v in (grid.level.key, grid.positions, grid.features))))


def check_size(voxels, max_voxels, voxel_size):
    """Raises SpaceformerError for a map of more than max_voxels voxels."""
    if voxels > max_voxels:
        raise SpaceformerError(
            f"the cloud occupies {voxels} voxels of {voxel_size} m, more than max_voxels {max_voxels}: "
            "set roi to the relevant part, or raise max_voxels"
        )


def check_range(cloud, voxel_size):
    """Raises SpaceformerError if float32 cannot resolve voxels at the cloud's distance from its frame's origin."""
    blocks = (cloud.xyz[start : start + BLOCK] for start in range(0, len(cloud), BLOCK))  # faster than all at a time
    reach = max(max(block.max(), -block.min()) for block in blocks)
    if np.spacing(reach) > voxel_size:
        raise SpaceformerError(
            f"the cloud reaches {reach:.6g} m from the origin of its frame, where float32 coordinates are "
            f"{np.spacing(reach):.3g} m apart, more than voxel_size {voxel_size} m: crop the cloud, remove far "
            "outliers, or move the origin of the frame closer"
        )
