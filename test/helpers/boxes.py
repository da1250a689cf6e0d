# SPDX-License-Identifier: Apache-2.0
"""Boxes as predictions and ground truth, without masks."""

import numpy as np

from spaceformer_ros.evaluation import GroundTruth, SamplePrediction
from spaceformer_ros.geometry.boxes import OrientedBox


def box(x=0.0, y=0.0, size=(1.0, 1.0, 1.0), yaw=0.0):
    """An OrientedBox centred at (x, y, 0), metres."""
    return OrientedBox(np.array([x, y, 0.0]), np.array(size), yaw)


def box_prediction(*boxes, labels=None):
    """A SamplePrediction of boxes alone; all labels are 0 unless given."""
    labels = np.zeros(len(boxes), int) if labels is None else np.array(labels)
    return SamplePrediction((np.empty(0, int),) * len(boxes), np.ones(len(boxes)), labels, boxes)


def box_truth(*boxes, labels=None):
    """A GroundTruth of boxes alone; all labels are 0 unless given."""
    return GroundTruth(np.empty(0, int), box_prediction(*boxes, labels=labels).labels, None, boxes)
