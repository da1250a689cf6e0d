# SPDX-License-Identifier: Apache-2.0
"""Which object of the map does a detection in an image show? The map itself is the depth buffer: no depth is needed."""

from dataclasses import dataclass

import numpy as np

from .model import NEAR
from .render import View

MIN_OVERLAP = 0.3  # IoU in the image of a detection and what is visible of an object
MIN_CLASS_SHARE = 0.5  # of the visible area of an object that must have the same class in a label image
LABEL_SCORE = 0.7  # of the classes of a label image, which come without scores
MIN_VISIBLE = 0.15  # share of an object's voxels that must be visible
MIN_VOXELS = 4  # visible voxels of an object
HALF_WEIGHT = 4.0  # metres at which a detection counts half
SLACK = 1.5  # voxels that a visible voxel may lie behind the nearest surface in its pixel
SLANT = 0.02  # the same in metres per metre of distance


@dataclass(frozen=True)
class Detection:
    """A detection in an image. word: what it shows; score: in [0, 1]; box: (left, top, right, bottom) in pixels;
    mask: [H, W] bool of the image, or None."""

    word: str
    score: float
    box: tuple
    mask: np.ndarray | None = None


@dataclass(frozen=True)
class LabelImage:
    """What a segmenter says of an image. pixels: [H, W] int32 numbers of classes; names: dict number -> word."""

    pixels: np.ndarray
    names: dict


@dataclass(frozen=True)
class Sighting:
    """A detection of an object of the map. id: of the object; weight: in [0, 1]."""

    id: int
    word: str
    weight: float


class Voter:
    """Assigns detections to the objects of one scene."""

    def __init__(self, points, instances, objects):
        """points: MapPoints of a cloud; instances: its Instances; objects: those that may be seen, with id and row."""
        self._points = points
        self._voxel_size = instances.voxels.voxel_size
        self._ids = np.array([item.id for item in objects], dtype=np.int64)
        masks = [instances.masks[item.row] for item in objects]
        self._owner = np.repeat(np.arange(len(masks)), [len(mask) for mask in masks])
        self._voxels = instances.voxels.positions[np.concatenate([np.zeros(0, np.int32), *masks])]

    def sightings(self, camera, camera_from_map, found):
        """List of Sighting: at most one of each object.

        camera: CameraModel
        camera_from_map: RigidTransform of the cloud's local coordinates into the optical frame
        found: list of Detection, each of which shows at most one object, or a LabelImage
        """
        return self.look(camera, camera_from_map).sightings(found)

    def look(self, camera, camera_from_map):
        """The Look of a camera. camera, camera_from_map: as of `sightings`."""
        view = self._points.draw(camera, camera_from_map)
        return Look(view, self._visible(view.depth, camera, camera_from_map), self._ids)

    def _visible(self, depth, camera, camera_from_map):
        """What a camera sees of the objects. depth: [H, W] metres of the map."""
        x, y, z = camera_from_map.apply(self._voxels).T
        u, v, inside = camera.project_axes(x, y, z)
        visible = np.flatnonzero(inside & (z > NEAR))
        column, row = np.rint(u[visible]).astype(np.int64), np.rint(v[visible]).astype(np.int64)
        shown = z[visible] <= depth[row, column] + SLACK * self._voxel_size + SLANT * z[visible]
        visible, column, row = visible[shown], column[shown], row[shown]
        count = len(self._ids)
        total, number = (np.bincount(owner, minlength=count) for owner in (self._owner, self._owner[visible]))
        distance = np.bincount(self._owner[visible], weights=z[visible], minlength=count) / np.maximum(number, 1)
        half = 0.5 * self._voxel_size * camera.fx / np.maximum(z[visible], NEAR)
        return VisibleObjects(self._owner[visible], column, row, half, number / np.maximum(total, 1), distance, number)


@dataclass(frozen=True)
class Look:
    """The map as a camera sees it. view: View; visible: VisibleObjects; ids: [O] of the objects."""

    view: View
    visible: "VisibleObjects"
    ids: np.ndarray

    def sightings(self, found):
        """As `Voter.sightings`."""
        matched = self.visible.labelled(found) if isinstance(found, LabelImage) else self.visible.matched(found)
        trust = self.visible.trust
        return [Sighting(int(self.ids[row]), word, float(score * trust[row])) for row, word, score in matched]

    def unmatched(self, detections):
        """List of the Detections that fit no object."""
        return [one for one in detections if not (self.visible.overlaps(one) >= MIN_OVERLAP).any()]


@dataclass(frozen=True)
class VisibleObjects:
    """Visible voxels of O objects in an image.

    owner, column, row: [V] object and pixel of each; half: [V] half its width in pixels
    share: [O] of the object's voxels that are visible; distance: [O] metres, their mean; number: [O] of them
    """

    owner: np.ndarray
    column: np.ndarray
    row: np.ndarray
    half: np.ndarray
    share: np.ndarray
    distance: np.ndarray
    number: np.ndarray

    @property
    def usable(self):
        """[O] bool: objects of which enough is visible."""
        return (self.share >= MIN_VISIBLE) & (self.number >= MIN_VOXELS)

    @property
    def trust(self):
        """[O] in [0, 1]: how much what is said of an object counts: more for those that are near and not covered."""
        return np.sqrt(self.share) / (1 + (self.distance / HALF_WEIGHT) ** 2)

    def matched(self, detections):
        """Rows (object, word, score in [0, 1]) of the Detections that show objects, the best ones first."""
        pairs = []
        for number, detection in enumerate(detections):
            overlap = self.overlaps(detection)
            for row in np.flatnonzero(overlap >= MIN_OVERLAP):
                pairs.append((overlap[row] * detection.score, number, row))
        found, used_detections, used_objects = [], set(), set()
        for score, number, row in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
            if number not in used_detections and row not in used_objects:
                used_detections.add(number)
                used_objects.add(row)
                found.append((row, detections[number].word, score))
        return found

    def labelled(self, image):
        """Rows (object, word, score in [0, 1]) of the objects most of whose visible area has one class of a LabelImage.

        Pixels of other objects do not matter, so that one class may cover many objects.
        """
        number, area = image.pixels[self.row, self.column], (2 * self.half) ** 2
        total = np.maximum(np.bincount(self.owner, weights=area, minlength=len(self.share)), 1e-9)
        found = []
        for one in set(np.unique(number).tolist()) & image.names.keys():
            of_class = number == one
            share = np.bincount(self.owner[of_class], weights=area[of_class], minlength=len(self.share)) / total
            rows = np.flatnonzero(self.usable & (share > MIN_CLASS_SHARE))
            found += [(row, image.names[one], LABEL_SCORE * share[row]) for row in rows]
        return sorted(found)

    def overlaps(self, detection):
        """[O] IoU of a Detection and each object that is visible enough, 0 for others.

        Of boxes: with the box around the visible voxels. Of masks: the area of voxels in the mask against all visible
        voxels and the mask.
        """
        usable = self.usable
        if detection.mask is not None:
            inside = np.bincount(self.owner, weights=detection.mask[self.row, self.column], minlength=len(self.share))
            area = np.bincount(self.owner, weights=(2 * self.half) ** 2, minlength=len(self.share))
            shared = area * inside / np.maximum(self.number, 1)
            shared = np.minimum(shared, detection.mask.sum())
            return np.where(usable, shared / np.maximum(area + detection.mask.sum() - shared, 1e-9), 0.0)
        boxes = self.boxes
        left, top, right, bottom = detection.box
        width = np.minimum(boxes[:, 2], right) - np.maximum(boxes[:, 0], left)
        height = np.minimum(boxes[:, 3], bottom) - np.maximum(boxes[:, 1], top)
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        areas = np.maximum(boxes[:, 2] - boxes[:, 0], 0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0)
        union = areas + max(right - left, 0) * max(bottom - top, 0) - shared
        return np.where(usable, shared / np.maximum(union, 1e-9), 0.0)

    @property
    def boxes(self):
        """[O, 4] left, top, right, bottom of the visible voxels of each object; empty ones have no area."""
        low, high = np.full((len(self.share), 2), np.inf), np.full((len(self.share), 2), -np.inf)
        for axis, values in enumerate((self.column, self.row)):
            np.minimum.at(low[:, axis], self.owner, values - self.half)
            np.maximum.at(high[:, axis], self.owner, values + self.half)
        boxes = np.concatenate([low, high], axis=1)
        boxes[self.number == 0] = 0
        return boxes


def polygon_mask(corners, width, height):
    """[H, W] bool: pixels whose centres are inside a polygon, by the even-odd rule. corners: [P, 2] pixels."""
    x, y = corners.T
    x_next, y_next = np.roll(corners, -1, axis=0).T
    rows, edges = np.nonzero((y <= np.arange(height)[:, None]) != (y_next <= np.arange(height)[:, None]))
    across = (rows - y[edges]) / (y_next[edges] - y[edges])
    columns = np.clip(np.ceil(x[edges] + across * (x_next[edges] - x[edges])), 0, width).astype(np.int64)
    crossings = np.zeros((height, width + 1), dtype=np.int32)
    np.add.at(crossings, (rows, columns), 1)
    return crossings[:, :width].cumsum(axis=1) % 2 == 1
