# SPDX-License-Identifier: Apache-2.0
"""How well a text fits every point of the map, as a number and as a heat colour."""

import dataclasses

import numpy as np

from ..clouds.cloud import thinning_step
from .labeled_cloud import shaded_gray

# "plasma" of matplotlib by N. Smith and S. van der Walt (CC0), dark blue over red to yellow, perceptually ordered:
# every 32nd of its 256 colours, which interpolate the others to within 6 of 255.
HEAT = np.array(
    [
        *((13, 8, 135), (76, 2, 161), (126, 3, 168), (170, 35, 149), (204, 71, 120)),
        *((229, 107, 93), (248, 148, 65), (253, 195, 40), (240, 249, 33)),
    ]
)


def point_relevancy(scene, matches):
    """[N] float32 in [0, 1]: the score of the best match whose mask holds each point of the cloud; 0 outside all.

    matches: best first, as `find.rank` gives them.
    """
    voxels = np.zeros(len(scene.instances.voxels), dtype=np.float32)
    for match in reversed(matches):
        voxels[scene.instances.masks[match.object.row]] = match.score
    return voxels[scene.instances.voxels.point_to_voxel]


def color_points(cloud, relevancy, top, max_points=0):
    """A Cloud in heat colours and its column relevancy, [N] float32.

    top: relevancy, above 0, from which points have the hottest colour; points with 0 are shades of grey;
    max_points: thinned evenly to at most so many, 0 for all.
    """
    step = thinning_step(len(cloud), max_points)
    cloud, relevancy = cloud[::step], relevancy[::step]
    rgb = np.where(relevancy[:, None] > 0, heat_colors(relevancy / top), shaded_gray(cloud.rgb))
    return dataclasses.replace(cloud, rgb=rgb), {"relevancy": relevancy}


def heat_colors(values):
    """[N, 3] uint8 from values [N] in [0, 1], cold to hot; beyond the ends the colours of the ends."""
    at = np.linspace(0, 1, len(HEAT))
    return np.rint([np.interp(values, at, channel) for channel in HEAT.T]).T.astype(np.uint8)
