# SPDX-License-Identifier: Apache-2.0
"""Markers of a scene as plain records with stable ids: boxes, texts, centroids, and the answer to the last query.

A set is sent as the difference to the last one. Removed objects are deleted individually, never with DELETEALL, which
would make all markers flicker.
"""

from dataclasses import dataclass

import numpy as np

from ..geometry.boxes import EDGES, OrientedBox
from .colors import stable_color

BOXES, LABELS, CENTROIDS = "boxes", "labels", "centroids"
QUERY_BOXES, QUERY_LABELS, QUERY_POSES = "query_boxes", "query_labels", "query_poses"
NAMESPACES = (BOXES, LABELS, CENTROIDS, QUERY_BOXES, QUERY_LABELS, QUERY_POSES)
LINE_WIDTH = 0.02  # metres
CENTROID_SIZE = 0.06  # metres
TEXT_GAP = 0.6  # text heights between the top of a box and the middle of its text
TEXT_SPACING = 1.3  # text heights from there to the middle of a second text
QUERY_COLOR = (1.0, 0.95, 0.3, 1.0)  # r, g, b, a of matches, brighter than any stable colour of a label
QUERY_LINE_WIDTH = 0.05  # metres
ARROW = (0.4, 0.08, 0.08)  # length, width and height of an approach, metres
ARROW_HEIGHT = 0.05  # metres above the floor
DELETIONS_KEPT = 10  # messages that repeat a deletion, for subscribers that missed one


@dataclass(frozen=True)
class MarkerRecord:
    """One marker in the scene's frame.

    position, size: [3] metres
    yaw: radians
    color: r, g, b, a in [0, 1]
    points: [2E, 3] metres relative to the box centre for line boxes, otherwise None
    """

    namespace: str
    id: int
    shape: str  # "lines", "cube", "text", "sphere" or "arrow"
    position: tuple
    yaw: float
    size: tuple
    color: tuple
    text: str = ""
    points: tuple | None = None


def uncalibrated(item):
    """The confidence of an object where the checkpoint has no calibration."""
    return float("nan")


def scene_markers(objects, config, confidence=uncalibrated):
    """MarkerRecords of the shown objects. config: OutputConfig; confidence: function of an object, as of a Scene."""
    records = []
    for item in objects:
        color = (*stable_color(item.label), config.marker_alpha)
        records.append(_box(item, color, config.marker_boxes))
        records.append(
            _text(LABELS, item, marker_text(item, config, confidence(item)), (1.0, 1.0, 1.0, 1.0), config, TEXT_GAP)
        )
        centroid = tuple(float(v) for v in item.centroid)
        records.append(MarkerRecord(CENTROIDS, item.id, "sphere", centroid, 0.0, (CENTROID_SIZE,) * 3, color))
    return records


@dataclass(frozen=True)
class Highlight:
    """An object that matches a query, the text to draw over it, and its Approach or None."""

    object_id: int
    text: str
    approach: object = None


def highlights_for(answers, approaches):
    """One Highlight for each matched object, with every text that it matches and its rank there: "1. couch".

    answers: Answers of one request; approaches: dict object id -> Approach.
    """
    texts = {}
    for answer in answers:
        for place, match in enumerate(answer.matches, start=1):
            texts.setdefault(match.object.id, []).append(f"{place}. {answer.text}")
    return tuple(Highlight(key, ", ".join(parts), approaches.get(key)) for key, parts in texts.items())


def query_markers(scene, highlights, config):
    """MarkerRecords of the highlighted objects that are still in the scene. config: OutputConfig."""
    records = []
    for highlight in highlights:
        item = scene.find_id(highlight.object_id)
        if item is None:
            continue
        size = np.add(_box_size(item), 2 * LINE_WIDTH)  # around the object's own box
        records.append(_outline(QUERY_BOXES, item, size, QUERY_LINE_WIDTH, QUERY_COLOR))
        records.append(_text(QUERY_LABELS, item, highlight.text, QUERY_COLOR, config, TEXT_GAP + TEXT_SPACING))
        if highlight.approach is not None:
            x, y, floor = (float(v) for v in highlight.approach.position)
            place = (x, y, floor + ARROW_HEIGHT)
            records.append(
                MarkerRecord(QUERY_POSES, item.id, "arrow", place, highlight.approach.yaw, ARROW, QUERY_COLOR)
            )
    return records


def _box_size(item):
    return tuple(float(max(v, 0.01)) for v in item.box.size)


def _center(item):
    return tuple(float(v) for v in item.box.center)


def _box(item, color, style):
    if style == "cubes":
        return MarkerRecord(BOXES, item.id, "cube", _center(item), item.box.yaw, _box_size(item), color)
    return _outline(BOXES, item, _box_size(item), LINE_WIDTH, color)


def _outline(namespace, item, size, width, color):
    """The edges of a box around an object's centre. size: [3] metres; width of the lines: metres."""
    local = OrientedBox(np.zeros(3), np.array(size), yaw=0.0).corners[EDGES]
    points = tuple(tuple(float(v) for v in point) for point in local.reshape(-1, 3))
    return MarkerRecord(namespace, item.id, "lines", _center(item), item.box.yaw, (width, 0.0, 0.0), color, "", points)


def _text(namespace, item, text, color, config, gap):
    """A text over an object's box. gap: heights of the text between the box and the text's middle."""
    x, y, z = _center(item)
    height = config.marker_text_height
    place = (x, y, z + _box_size(item)[2] / 2 + gap * height)
    return MarkerRecord(namespace, item.id, "text", place, 0.0, (0.0, 0.0, height), color, text)


def marker_text(item, config, confidence):
    """The text over an object, by the setting marker_text. confidence: NaN if the checkpoint has no calibration."""
    certain = f"(score {item.score:.2f})" if np.isnan(confidence) else f"{confidence:.2f}"
    size = " x ".join(f"{v:.1f}" for v in item.box.size) + " m"
    return config.marker_text.format(label=item.label, score=item.score, confidence=certain, id=item.id, size=size)


class MarkerTracker:
    """Compares with the set that was sent last: changed markers are sent again, removed ones are deleted."""

    def __init__(self):
        self._sent, self._place = {}, None
        self._deleted = {}  # (namespace, id) -> messages in which its deletion is still to be repeated

    def update(self, records, place=None, complete=False):
        """(MarkerRecords to send, keys (namespace, id) to delete), or None if nothing changed.

        place: a comparable value for the frame and pose in which records are drawn; another one changes all of them
        complete: send all records if one has changed
        """
        current, before = {(record.namespace, record.id): record for record in records}, self._sent
        same_place, self._place = place == self._place, place
        if same_place and current == before:
            return None
        for key in before.keys() - current.keys():
            self._deleted[key] = DELETIONS_KEPT
        self._deleted = {key: left - 1 for key, left in self._deleted.items() if left > 0 and key not in current}
        self._sent = current
        if complete or not same_place:
            return self.sent()
        return [record for key, record in current.items() if before.get(key) != record], sorted(self._deleted)

    def sent(self):
        """As `update`: the complete set that was sent last, and what is deleted with it."""
        return list(self._sent.values()), sorted(self._deleted)
