"""What is drawn for a scene, as plain records: boxes, texts and centroids with stable identities.

A new set is sent whole, so that late joiners and slow listeners see everything; objects that vanished are deleted one
by one. Nothing is ever cleared and drawn again, so nothing flickers.
"""

from dataclasses import dataclass

import numpy as np

from .boxes import EDGES, OrientedBox
from .labeled import stable_color

BOXES, LABELS, CENTROIDS = "boxes", "labels", "centroids"
NAMESPACES = (BOXES, LABELS, CENTROIDS)
LINE_WIDTH = 0.02  # metres
CENTROID_SIZE = 0.06  # metres
TEXT_GAP = 0.6  # text heights between the top of a box and its text
DELETIONS_KEPT = 10  # messages in which a deletion is repeated, for listeners that missed one


@dataclass(frozen=True)
class MarkerRecord:
    """One marker in the scene's frame. position, size: [3] metres; yaw: radians; color: r, g, b, a in [0, 1];
    points: [2E, 3] metres relative to the box centre for line boxes, else None."""

    namespace: str
    id: int
    shape: str  # "lines", "cube", "text" or "sphere"
    position: tuple
    yaw: float
    size: tuple
    color: tuple
    text: str = ""
    points: tuple | None = None


def scene_markers(objects, config):
    """Records for the shown objects, by an OutputConfig."""
    records = []
    for item in objects:
        color = (*stable_color(item.label), config.marker_alpha)
        center = tuple(float(v) for v in item.box.center)
        size = tuple(float(max(v, 0.01)) for v in item.box.size)
        records.append(_box(item, center, size, color, config.marker_boxes))
        top = (center[0], center[1], center[2] + size[2] / 2 + TEXT_GAP * config.marker_text_height)
        text_size = (0.0, 0.0, config.marker_text_height)
        records.append(
            MarkerRecord(LABELS, item.id, "text", top, 0.0, text_size, (1.0, 1.0, 1.0, 1.0), marker_text(item, config))
        )
        centroid = tuple(float(v) for v in item.centroid)
        records.append(MarkerRecord(CENTROIDS, item.id, "sphere", centroid, 0.0, (CENTROID_SIZE,) * 3, color))
    return records


def _box(item, center, size, color, style):
    if style == "cubes":
        return MarkerRecord(BOXES, item.id, "cube", center, item.box.yaw, size, color)
    local = OrientedBox(np.zeros(3), np.array(size), yaw=0.0).corners[EDGES]
    points = tuple(tuple(float(v) for v in point) for point in local.reshape(-1, 3))
    return MarkerRecord(BOXES, item.id, "lines", center, item.box.yaw, (LINE_WIDTH, 0.0, 0.0), color, points=points)


def marker_text(item, config):
    """The text over an object, by the setting marker_text."""
    size = " x ".join(f"{v:.1f}" for v in item.box.size) + " m"
    return config.marker_text.format(label=item.label, score=item.score, id=item.id, size=size)


class MarkerTracker:
    """Remembers what was sent, so that what vanished is deleted and an unchanged set is not sent again."""

    def __init__(self):
        self._sent, self._place = {}, None
        self._deleted = {}  # (namespace, id) -> messages in which its deletion is still to be repeated

    def update(self, records, place=None):
        """(records to add or modify, keys (namespace, id) to delete), or None where nothing changed.

        place: anything comparable that says where records are drawn, such as the frame of the message.
        """
        current = {(record.namespace, record.id): record for record in records}
        if (current, place) == (self._sent, self._place):
            return None
        for key in self._sent.keys() - current.keys():
            self._deleted[key] = DELETIONS_KEPT
        self._deleted = {key: left - 1 for key, left in self._deleted.items() if left > 0 and key not in current}
        self._sent, self._place = current, place
        return list(current.values()), sorted(self._deleted)
