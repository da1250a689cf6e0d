# SPDX-License-Identifier: Apache-2.0
"""Voxel coordinates of points, and their packing into one integer per voxel.

Coordinates are integers (a voxel's index along each axis), counted from the world origin.
"""

import numpy as np
import torch

from .. import SpaceformerError

AXIS_BITS = 18  # of each axis in a packed key, as in the published implementation
AXIS_LIMIT = 1 << (AXIS_BITS - 1)
AXIS_MASK = (1 << AXIS_BITS) - 1
MAX_INDEX = AXIS_LIMIT - 8  # of voxels (+-2.6 km at 2 cm): the offsets of a kernel stay within AXIS_LIMIT
MAX_CLOUDS = 512


def voxel_coords(xyz, voxel_size):
    """Voxel index of each point, floor(xyz * (1 / voxel_size)) in float32.

    The published model only ever ran on CUDA, where PyTorch divides by a scalar by multiplying with its float32
    reciprocal. A true division puts 12 % of exact multiples of 2 cm into another voxel, so all devices multiply.

    xyz: [N, 3] float32 metres. Returns [N, 3] int64. Raises SpaceformerError beyond MAX_INDEX voxels.
    """
    rate = float(np.float32(1.0) / np.float32(voxel_size))
    coords = torch.floor(xyz.float() * rate)
    if coords.numel() and not bool((coords.abs() < MAX_INDEX).all()):
        reach = MAX_INDEX * voxel_size
        raise SpaceformerError(
            f"the cloud reaches {xyz.abs().max().item():.6g} m from its origin; at voxel_size {voxel_size} m the "
            f"limit is {reach:.6g} m: crop the cloud or remove far outliers"
        )
    return coords.long()


def pack(coords, cloud_index):
    """[M] int64 keys, ascending in (cloud, x, y, z). coords: [M, 3] int64; cloud_index: [M] int64 < MAX_CLOUDS."""
    shifted = coords + AXIS_LIMIT
    key = cloud_index << (3 * AXIS_BITS)
    return key | (shifted[:, 0] << (2 * AXIS_BITS)) | (shifted[:, 1] << AXIS_BITS) | shifted[:, 2]


def unpack(key):
    """Inverse of `pack`: coords [M, 3] int64 and cloud_index [M] int64."""
    shifts = torch.arange(2, -1, -1, device=key.device) * AXIS_BITS
    return ((key[:, None] >> shifts) & AXIS_MASK) - AXIS_LIMIT, key >> (3 * AXIS_BITS)


def coarser_keys(key, steps):
    """Keys of the voxels that hold the given ones 1, ... `steps` levels up, [steps, M] int64. key: [M]."""
    step = torch.arange(1, steps + 1, device=key.device)[:, None]
    fields = AXIS_MASK >> step  # of the bits that remain, in each axis
    offset = AXIS_LIMIT - (AXIS_LIMIT >> step)  # halving moves the origin, which stays at AXIS_LIMIT
    every_axis = 1 | 1 << AXIS_BITS | 1 << (2 * AXIS_BITS)
    cloud = key & -(1 << (3 * AXIS_BITS))
    return (((key >> step) & (fields * every_axis)) + offset * every_axis) | cloud
