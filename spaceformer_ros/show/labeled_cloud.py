# SPDX-License-Identifier: Apache-2.0
"""The labelled cloud: every point with its label, instance, score and colour."""

import dataclasses

import numpy as np

from ..clouds.selection import thinning_step
from .colors import UNLABELED, shade, stable_color


def label_points(scene, shown, rgb_mode, max_points=0, background=None):
    """The scene's cloud, coloured, and its label columns.

    shown: SceneObjects
    rgb_mode: "original", "instance" or "label"
    max_points: limit on N, applied by taking every k-th point; 0: no limit
    background: function([N, 3] local coordinates) that gives [N] int64, the index into the vocabulary's names of the
        wall, floor or ceiling that each point belongs to, -1 for none; then background objects name points, too

    Returns a Cloud and a dict of [N] columns: label (uint32, index into the vocabulary's names plus one, background
    names last), instance_id (uint32) and score (float32), all 0 outside the shown objects; instance_id is 0 on
    background, and so is the score where no object was found.
    """
    step = thinning_step(len(scene.cloud), max_points)
    owner, cloud = scene.point_owner(shown)[::step], scene.cloud[::step]
    columns = {
        "label": np.array([*(item.label_index + 1 for item in shown), 0], dtype=np.uint32)[owner],
        "instance_id": np.array([*(item.id for item in shown), 0], dtype=np.uint32)[owner],
        "score": np.array([*(item.score for item in shown), 0], dtype=np.float32)[owner],
    }
    if background is not None:
        _add_background(columns, scene, background(cloud.xyz), owner < 0, step)
    return dataclasses.replace(cloud, rgb=point_colors(cloud, shown, owner, rgb_mode)), columns


def _add_background(columns, scene, names, free, step):
    """Set label and score of `free` points, [N] bool, by their index `names` [N], else by a background object."""
    objects = [item for item in scene.objects if item.background]
    owner = scene.point_owner(objects)[::step]
    labels = np.array([*(item.label_index for item in objects), -1])[owner]
    scores = np.array([*(item.score for item in objects), 0], dtype=np.float32)[owner]
    agrees = (names < 0) | (names == labels)
    columns["label"][free] = (np.where(agrees, labels, names) + 1)[free]
    columns["score"][free] = np.where(agrees, scores, 0)[free]


def point_colors(cloud, shown, owner, mode):
    """[N, 3] uint8: a stable colour per instance or label, shaded by the cloud's own brightness.

    owner: [N] index into shown, -1 for none; mode: see `label_points`.
    """
    if mode == "original":
        return cloud.rgb
    names = [item.label if mode == "label" else f"instance {item.id}" for item in shown]
    palette = np.array([*(stable_color(name) for name in names), UNLABELED])
    return shade(palette[owner], cloud.rgb)
