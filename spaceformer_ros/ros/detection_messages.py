# SPDX-License-Identifier: Apache-2.0
"""Messages of 2D detectors and segmenters to Detections and LabelImages."""

import contextlib

import numpy as np

from .. import SpaceformerError
from ..cameras.voting import Detection, LabelImage, polygon_mask
from .images import labels_of

DETECTIONS = ("input/detections", "input/yolo_detections", "input/label_image")  # topics of a camera
MAX_DETECTIONS = 1000  # of one image
MAX_WORD = 100  # characters
MAX_CORNERS = 10_000  # of the outline of a detection


def detection_topics():
    """Rows (message type, topic, function that reads a message) of the detections that can be received.

    Raises SpaceformerError if neither vision_msgs nor yolo_msgs is installed.
    """
    rows = []
    with contextlib.suppress(ImportError):
        from vision_msgs.msg import Detection2DArray

        rows.append((Detection2DArray, DETECTIONS[0], detections_of))
    with contextlib.suppress(ImportError):
        from yolo_msgs.msg import DetectionArray

        rows.append((DetectionArray, DETECTIONS[1], yolo_detections_of))
    if not rows:
        raise SpaceformerError(
            "detections: neither vision_msgs nor yolo_msgs is installed: sudo apt install ros-$ROS_DISTRO-vision-msgs"
        )
    return rows


def detections_of(message):
    """List of Detection of a vision_msgs Detection2DArray, the best hypothesis of each. Raises SpaceformerError."""
    check_count(message)
    found = []
    for one in message.detections:
        if one.results:
            best = max((result.hypothesis for result in one.results), key=score_of)
            size = one.bbox.size_x, one.bbox.size_y
            found.append(detection(best.class_id, score_of(best), one.bbox.center.position, size))
    return found


def yolo_detections_of(message):
    """List of Detection of a yolo_msgs DetectionArray, with masks where they have outlines. Raises SpaceformerError."""
    check_count(message)
    found = []
    for one in message.detections:
        size = one.bbox.size.x, one.bbox.size.y
        found.append(detection(one.class_name, score_of(one), one.bbox.center.position, size, mask_of(one.mask)))
    return found


def detection(word, score, center, size, mask=None):
    """A checked Detection. center: has x and y; size: (width, height), both in pixels."""
    word = word.strip()
    if not word or len(word) > MAX_WORD or word.isdigit():
        raise SpaceformerError(
            f"the class {word[:MAX_WORD]!r} of a detection is not a name: let the detector publish names"
        )
    box = center.x - size[0] / 2, center.y - size[1] / 2, center.x + size[0] / 2, center.y + size[1] / 2
    if not (np.isfinite(box).all() and 0 < score <= 1):
        raise SpaceformerError(f"a detection of {word!r} has the score {score} and the box {box}")
    return Detection(word, float(score), box, mask)


def check_count(message):
    """Raise SpaceformerError if there are too many detections in one image."""
    if len(message.detections) > MAX_DETECTIONS:
        raise SpaceformerError(f"{len(message.detections)} detections in one image, at most {MAX_DETECTIONS} are read")


def score_of(hypothesis):
    """The score of a hypothesis, 0 for one that is not a number."""
    return hypothesis.score if np.isfinite(hypothesis.score) else 0.0


def mask_of(outline):
    """[H, W] bool of the outline in a yolo_msgs Mask; None without one. Raises SpaceformerError."""
    if len(outline.data) < 3:
        return None
    if not (0 < outline.width * outline.height <= 1 << 26 and len(outline.data) <= MAX_CORNERS):
        raise SpaceformerError(
            f"a mask of {outline.width} x {outline.height} pixels with {len(outline.data)} corners, at most "
            f"{MAX_CORNERS} corners are read"
        )
    corners = np.array([(point.x, point.y) for point in outline.data])
    if not np.isfinite(corners).all():
        raise SpaceformerError("a mask has a corner that is not a finite number")
    return polygon_mask(corners, outline.width, outline.height)


def label_image_of(image, info, topic):
    """The LabelImage of an Image with class numbers (mono8, mono16, 32SC1) and the newest LabelInfo.

    info: None while none has come; topic: of the LabelInfo. Raises SpaceformerError.
    """
    if info is None:
        raise SpaceformerError(f"label images, but no LabelInfo on {topic}: publish it latched (transient local)")
    labels = labels_of(image)
    names = {one.class_id: one.class_name.strip() for one in info.class_map}
    names = {number: name for number, name in names.items() if 0 < len(name) <= MAX_WORD}
    present = np.unique(labels[labels > 0]).tolist()
    if present and names.keys().isdisjoint(present):
        numbers = ", ".join(map(str, present[:5]))
        raise SpaceformerError(
            f"label image: {topic} has no names for the classes {numbers}: both must come from the same segmenter"
        )
    return LabelImage(labels, names)
