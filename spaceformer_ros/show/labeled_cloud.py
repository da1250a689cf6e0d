# SPDX-License-Identifier: Apache-2.0
"""The labelled cloud: every point with its label, instance and score, coloured for the eye."""

import colorsys
import dataclasses
import hashlib

import numpy as np

from ..clouds.cloud import thinning_step

NO_INSTANCE_GRAY = 0.35  # brightness of points outside all shown objects, relative to their own


def stable_color(name):
    """An r, g, b in [0, 1] that depends on the name alone, on every machine and in every run."""
    digest = hashlib.sha256(name.encode()).digest()
    return colorsys.hsv_to_rgb(digest[0] / 256, 0.55 + digest[1] / 640, 0.75 + digest[2] / 1024)


def label_points(scene, shown, rgb_mode, max_points=0):
    """The scene's cloud, coloured, and its label columns.

    shown: the SceneObjects that count; rgb_mode: "original", "instance" or "label"; max_points: thinned evenly to at
    most so many, 0 for all. Returns a Cloud and a dict of [N] columns: label (uint32, index into the vocabulary's
    labels plus one), instance_id (uint32) and score (float32), all 0 outside the shown objects.
    """
    step = thinning_step(len(scene.cloud), max_points)
    owner, cloud = scene.point_owner(shown)[::step], scene.cloud[::step]
    values = {
        "label": ([item.label_index + 1 for item in shown], np.uint32),
        "instance_id": ([item.id for item in shown], np.uint32),
        "score": ([item.score for item in shown], np.float32),
    }
    columns = {name: np.array([*column, 0], dtype=kind)[owner] for name, (column, kind) in values.items()}  # -1: none
    return dataclasses.replace(cloud, rgb=point_colors(cloud, shown, owner, rgb_mode)), columns


def point_colors(cloud, shown, owner, mode):
    """[N, 3] uint8: a stable colour per instance or label, shaded by the cloud's own brightness.

    owner: [N] index into shown, -1 for none.
    """
    if mode == "original":
        return cloud.rgb
    names = [item.label if mode == "label" else f"instance {item.id}" for item in shown]
    palette = np.array([*(stable_color(name) for name in names), (NO_INSTANCE_GRAY,) * 3])
    return shade(palette[owner], cloud.rgb)


def shade(colors, rgb):
    """[N, 3] uint8: colors, r, g, b in [0, 1], darker where the points' own colours `rgb` [N, 3] uint8 are dark."""
    brightness = rgb.mean(axis=1, keepdims=True) / 255
    return np.rint(255 * colors * (0.55 + 0.45 * brightness)).astype(np.uint8)


def shaded_gray(rgb):
    """[N, 3] uint8: what points outside all objects look like. rgb: their own colours [N, 3] uint8."""
    return shade(np.array([(NO_INSTANCE_GRAY,) * 3]), rgb)
