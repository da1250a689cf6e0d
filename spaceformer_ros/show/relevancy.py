# SPDX-License-Identifier: Apache-2.0
"""Relevancy of every point of the map for a text, as a number and as a colour."""

import dataclasses

import numpy as np

from ..clouds.selection import thinning_step
from .colors import heat_colors, shaded_gray


def point_relevancy(scene, matches):
    """[N] float32 in [0, 1]: the score of the best match whose mask contains each point of the cloud; 0 outside all.

    matches: best first, as `find.rank` returns them.
    """
    voxels = np.zeros(len(scene.instances.voxels), dtype=np.float32)
    for match in reversed(matches):
        voxels[scene.instances.masks[match.object.row]] = match.score
    return voxels[scene.instances.voxels.point_to_voxel]


def color_points(cloud, relevancy, top, max_points=0):
    """A Cloud coloured by relevancy, and its column `relevancy`, [N] float32.

    top: relevancy > 0 at the upper end of the colour scale; points with relevancy 0 are shades of gray
    max_points: limit on N, applied by taking every k-th point; 0: no limit
    """
    step = thinning_step(len(cloud), max_points)
    cloud, relevancy = cloud[::step], relevancy[::step]
    rgb = np.where(relevancy[:, None] > 0, heat_colors(relevancy / top), shaded_gray(cloud.rgb))
    return dataclasses.replace(cloud, rgb=rgb), {"relevancy": relevancy}
