# SPDX-License-Identifier: Apache-2.0
"""The labelled cloud: every point with its label, instance, score and colour."""

import dataclasses

import numpy as np

from ..clouds.selection import thinning_step
from .colors import UNLABELED, shade, stable_color


def label_points(scene, shown, rgb_mode, max_points=0, label_background=False):
    """The scene's cloud, coloured, and its label columns.

    shown: SceneObjects
    rgb_mode: "original", "instance" or "label"
    max_points: limit on N, applied by taking every k-th point; 0: no limit
    label_background: also set label and score on points of background objects (wall, floor, ceiling)

    Returns a Cloud and a dict of [N] columns: label (uint32, index into the vocabulary's names plus one, background
    names last), instance_id (uint32) and score (float32), all 0 outside the shown objects; instance_id is 0 on
    background.
    """
    step = thinning_step(len(scene.cloud), max_points)
    owner, cloud = scene.point_owner(shown)[::step], scene.cloud[::step]
    background = [item for item in scene.objects if item.background] if label_background else []
    behind = scene.point_owner(background)[::step]
    named = np.where((owner < 0) & (behind >= 0), len(shown) + behind, owner)  # rows of both lists, -1: none
    both = [*shown, *background]
    columns = {
        "label": np.array([*(item.label_index + 1 for item in both), 0], dtype=np.uint32)[named],
        "instance_id": np.array([*(item.id for item in shown), 0], dtype=np.uint32)[owner],
        "score": np.array([*(item.score for item in both), 0], dtype=np.float32)[named],
    }
    return dataclasses.replace(cloud, rgb=point_colors(cloud, shown, owner, rgb_mode)), columns


def point_colors(cloud, shown, owner, mode):
    """[N, 3] uint8: a stable colour per instance or label, shaded by the cloud's own brightness.

    owner: [N] index into shown, -1 for none; mode: see `label_points`.
    """
    if mode == "original":
        return cloud.rgb
    names = [item.label if mode == "label" else f"instance {item.id}" for item in shown]
    palette = np.array([*(stable_color(name) for name in names), UNLABELED])
    return shade(palette[owner], cloud.rgb)
