# SPDX-License-Identifier: Apache-2.0
"""Maps for benchmarks: the middle of real clouds, or generated rooms, in given sizes."""

import pathlib
from types import SimpleNamespace

import numpy as np
import torch

from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.clouds.files import read_cloud
from spaceformer_ros.clouds.pointcloud2 import cloud_columns, encode
from spaceformer_ros.network.voxels import VoxelGrid
from spaceformer_ros.synthetic import RoomConfig, make_room

FIRST_SEED = 500_000


def maps(files, sizes, voxel_size):
    """Rows (name, Cloud): the middle of each map, of every size; maps that are too small are repeated side by side.

    voxel_size: None where sizes are points, or metres of the voxels that are counted instead.
    """
    sources = [(pathlib.Path(file).name, read_cloud(file).cloud) for file in files] or [
        ("generated", make_rooms(sizes))
    ]
    for name, cloud in sources:
        for size in sizes:
            yield name, middle(cloud, size, voxel_size)


def make_rooms(sizes):
    """Clouds of complete rooms side by side, at most eight different ones."""
    rooms, points, seed = [], 0, FIRST_SEED
    while points < max(sizes) and len(rooms) < 8:
        rooms.append(make_room(seed, RoomConfig(tours=(1, 0, 0), turned=0.0)).cloud)
        points, seed = points + len(rooms[-1]), seed + 1
    return side_by_side(rooms)


def side_by_side(clouds):
    """One Cloud, the clouds on a square grid."""
    columns = int(np.ceil(len(clouds) ** 0.5))
    pitch = max(float((high - low)[:2].max()) for low, high in (cloud.bounds for cloud in clouds)) + 0.2
    moved = [
        c.xyz - c.floor_center + np.float32([pitch * (i % columns), pitch * (i // columns), 0])
        for i, c in enumerate(clouds)
    ]
    return Cloud(np.concatenate(moved), np.concatenate([cloud.rgb for cloud in clouds]))


def middle(cloud, size, voxel_size):
    """A Cloud of the given size: the points nearest to the middle of the map, which is repeated if it is too small."""
    rows = voxel_rows(cloud, voxel_size)
    if rows.max() + 1 < size:
        cloud = side_by_side([cloud] * -(-size // int(rows.max() + 1)))
        rows = voxel_rows(cloud, voxel_size)
    distance = np.full(rows.max() + 1, np.inf)
    np.minimum.at(distance, rows, np.abs(cloud.xyz - cloud.floor_center)[:, :2].max(axis=1))
    inside = np.zeros(len(distance), dtype=bool)
    inside[np.argpartition(distance, min(size, len(distance)) - 1)[:size]] = True
    return cloud[inside[rows]]


def voxel_rows(cloud, voxel_size):
    """[N] voxel of every point, or its index if points are counted."""
    if voxel_size is None:
        return np.arange(len(cloud))
    return VoxelGrid.from_points(
        torch.from_numpy(cloud.xyz - cloud.floor_center), torch.zeros(len(cloud), 1), voxel_size
    ).point_to_voxel.numpy()


def grid_of(cloud, segmenter):
    """VoxelGrid of a Cloud on the device, with the middle of its bounds as origin."""
    return VoxelGrid.from_points(*tensors_of(cloud, segmenter.device), segmenter.voxel_size)


def tensors_of(cloud, device):
    """Points [N, 3] float32 metres from the middle of their bounds, and colours [N, 3] in [-1, 1]."""
    return [torch.from_numpy(array).to(device) for array in (cloud.xyz - cloud.floor_center, cloud.colors)]


def to_message(cloud):
    """What `decode` needs of a PointCloud2."""
    encoded = encode(cloud_columns(cloud))
    fields = [
        SimpleNamespace(name=name, offset=offset, datatype=kind, count=1) for name, offset, kind in encoded.fields
    ]
    stamp = SimpleNamespace(sec=1, nanosec=0)
    return SimpleNamespace(
        header=SimpleNamespace(frame_id="map", stamp=stamp),
        height=1,
        width=len(cloud),
        fields=fields,
        is_bigendian=False,
        point_step=encoded.point_step,
        row_step=encoded.point_step * len(cloud),
        data=encoded.data,
    )
