# SPDX-License-Identifier: Apache-2.0
"""Where detections in several images show something for which the map has no object.

A detection covers points of the map; those behind and in front of the thing differ from view to view. A cell belongs to
it if most of the views that show the cell have it inside a detection with the same word.
"""

from dataclasses import dataclass, field

import numpy as np

from ..grids.keys import cell_keys, isin_sorted
from .carving import is_new_view

CELL = 0.05  # metres, side of the cells
MIN_SCORE = 0.3  # of detections that are used
MIN_CELLS = 4  # of a proposal, and of what a detection covers
MIN_SHARED = 0.3  # of the cells of the smaller of two that may show the same thing
MIN_VIEWS = 3  # with the thing, from different places
MIN_INSIDE = 0.7  # share of the views of a cell that must have it inside: all of three
MAX_MISSES = 3  # more views that show its cells without a detection than views with one; then it is forgotten
DEPTH_SHARE = 30  # percentile of the depths in the middle of a detection: things are in front of what is behind them
REACH = (0.15, 0.6)  # metres, and share of the larger side, that a thing may reach in depth from there
MAX_CANDIDATES = 200


@dataclass(frozen=True)
class Proposal:
    """Something that detections show. word: what; score: mean of the detections; count: of them; cells: sorted int64
    keys of the cells of CELL metres that it fills, in the map's local coordinates."""

    word: str
    score: float
    count: int
    cells: np.ndarray


@dataclass
class _Candidate:
    """A thing that some detections have shown."""

    word: str
    cells: np.ndarray  # [C] sorted keys
    inside: np.ndarray  # [C] views that had the cell inside a detection
    seen: np.ndarray  # [C] views that showed the cell
    scores: list = field(default_factory=list)
    misses: int = 0

    def shared(self, cells):
        """Share of the smaller of two sets of cells that is in both."""
        return isin_sorted(cells, self.cells).sum() / min(len(cells), len(self.cells))

    def count(self, cells, shown, score):
        """Count a view. cells: keys inside a detection; shown: sorted keys of all cells in view."""
        union = np.union1d(self.cells, cells)
        for name in ("inside", "seen"):
            counts = np.zeros(len(union), dtype=np.int32)
            counts[np.searchsorted(union, self.cells)] = getattr(self, name)
            setattr(self, name, counts)
        self.cells = union
        self.inside += isin_sorted(union, cells)
        self.seen += isin_sorted(union, shown)
        self.scores.append(score)

    @property
    def filled(self):
        """Sorted keys of the cells that belong to the thing."""
        return self.cells[(self.inside >= 2) & (self.inside >= MIN_INSIDE * self.seen)]


class Proposer:
    """Collects detections that show no object of the map. Not thread-safe."""

    def __init__(self):
        self._candidates = []
        self._coordinates = None  # those of the cells: they start again with another map
        self._last = {}  # camera -> pose of its last view

    def add(self, look, camera, camera_from_map, detections, cloud, name=""):
        """Use one image. Returns the list of Proposals that are certain enough now; they are not returned again.

        look: Look of the camera; camera_from_map: RigidTransform of local coordinates into its optical frame
        detections: list of Detection; cloud: Cloud of the look; name: of the camera, if there are several
        """
        if cloud.coordinates != self._coordinates:
            self._candidates, self._last, self._coordinates = [], {}, cloud.coordinates
        pose, last = camera_from_map.inverse, self._last.get(name)
        if last is not None and not is_new_view(pose, 0.0, last, 0.0):
            return []
        self._last[name] = pose
        shown = np.unique(cell_keys(cloud.xyz[look.view.row[look.view.row >= 0]], CELL))
        hit = []
        for one in look.unmatched(detections):
            cells = covered_cells(one, look.view, camera, cloud.xyz) if one.score >= MIN_SCORE else ()
            if len(cells) >= MIN_CELLS:
                hit.append(self._count(one, cells, shown))
        self._count_misses(hit, shown)
        ready = [one for one in hit if len(one.scores) >= MIN_VIEWS and len(one.filled) >= MIN_CELLS]
        self._candidates = [one for one in self._candidates if not any(one is other for other in ready)]
        return [Proposal(one.word, float(np.mean(one.scores)), len(one.scores), one.filled) for one in ready]

    def _count(self, detection, cells, shown):
        """The candidate that a detection shows, perhaps a new one, with this view."""
        word = detection.word.lower()
        same = [one for one in self._candidates if one.word == word and one.shared(cells) >= MIN_SHARED]
        if same:
            found = max(same, key=lambda one: one.shared(cells))
        else:
            nothing = np.zeros(len(cells), dtype=np.int32)
            found = _Candidate(word, cells, nothing, nothing.copy())
            self._candidates = [*self._candidates, found][-MAX_CANDIDATES:]
        found.count(cells, shown, detection.score)
        return found

    def _count_misses(self, hit, shown):
        """Count the view against the candidates that it shows without a detection."""
        for one in self._candidates:
            if not any(one is other for other in hit) and isin_sorted(one.cells, shown).mean() >= 0.5:
                one.misses += 1
        self._candidates = [one for one in self._candidates if one.misses <= len(one.scores) + MAX_MISSES]


def covered_cells(detection, view, camera, xyz):
    """Sorted int64 keys of the cells of the surface that a Detection shows.

    view: View of the map; camera: CameraModel; xyz: [N, 3] metres, the points of the view in local coordinates
    """
    rows, depth = view.row, view.depth
    left, top, right, bottom = detection.box if detection.mask is None else bounds_of(detection.mask)
    v, u = np.mgrid[: camera.height, : camera.width]
    inside = (u >= left) & (u <= right) & (v >= top) & (v <= bottom) & (rows >= 0)
    if detection.mask is not None:
        inside &= detection.mask
    x, y = (left + right) / 2, (top + bottom) / 2
    middle = inside & (np.abs(u - x) <= (right - left) / 4) & (np.abs(v - y) <= (bottom - top) / 4)
    if not middle.any():
        return np.zeros(0, dtype=np.int64)
    front = np.percentile(depth[middle], DEPTH_SHARE)
    side = max(right - left, bottom - top) * front / camera.fx
    near = inside & (np.abs(np.where(inside, depth, np.inf) - front) <= max(REACH[0], REACH[1] * side))
    return np.unique(cell_keys(xyz[rows[near]], CELL))


def bounds_of(mask):
    """(left, top, right, bottom) of a mask [H, W] bool; of an empty one, a box without pixels."""
    v, u = np.nonzero(mask)
    return (u.min(), v.min(), u.max(), v.max()) if len(u) else (0, 0, -1, -1)
