# SPDX-License-Identifier: Apache-2.0
"""Instances of a prediction without a Segmenter."""

import functools

from spaceformer_ros.segment.mask_boxes import fit_boxes
from spaceformer_ros.segment.measure import measure
from spaceformer_ros.segment.postprocess import find_masks

PUBLISHED_NMS_IOU = 0.7


def extract_instances(
    prediction, voxels, config, checkpoint_nms_iou=PUBLISHED_NMS_IOU, fuse_iou=1.0, surroundings=None
):
    """Instances of a Prediction on a VoxelMap, best first, by a PostprocessConfig.

    checkpoint_nms_iou: used if the config leaves `nms_iou` to the checkpoint; fuse_iou: see `find_masks`;
    surroundings: see `fit_boxes`.
    """
    nms_iou = config.nms_iou if config.nms_iou >= 0 else checkpoint_nms_iou
    masks = find_masks(prediction, voxels.positions, voxels.point_counts, config, nms_iou, fuse_iou)
    return measure(masks, voxels, config, functools.partial(fit_boxes, surroundings=surroundings))
