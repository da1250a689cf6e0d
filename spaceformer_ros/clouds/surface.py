# SPDX-License-Identifier: Apache-2.0
"""Points on the surface of a mesh: of all meshes that have faces only, and of those whose vertices are too sparse."""

from dataclasses import replace

import numpy as np

from ..geometry.sampling import draw_on_triangles
from .point_records import DecodedCloud

SPACING = 0.02  # metres between points on the surface of a mesh, about the voxel size of the networks
MAX_SPACING = 0.05  # of large meshes; with fewer points the networks find little
MAX_POINTS = 1_500_000  # of a file, which takes 250 MB
LONG_EDGE = 0.1  # metres; the diagonal of squares of 0.07, the largest spacing that networks with voxels of 0.05 bear
SEED = 0  # of the points on a mesh: the same file gives the same points


def surface_spacing(area):
    """Metres between points on meshes of an area in square metres; more than MAX_SPACING: it is too large."""
    return max(SPACING, (area / MAX_POINTS) ** 0.5)


def points_on(xyz, faces, spacing):
    """Points on triangles: xyz [P, 3] float64, their corners [P, 3], rows of `xyz`, and barycentric weights [P, 3].

    xyz: [V, 3] metres; faces: [F, 3]; spacing: metres between points
    """
    triangle, weights = draw_on_triangles(triangle_areas(xyz, faces), spacing, np.random.default_rng(SEED))
    corners = faces[triangle]
    return between(xyz, corners, weights), corners, weights


def between(values, corners, weights):
    """[P, C] values at points, of the values [V, C] of the vertices. corners, weights: as of `points_on`."""
    return np.einsum("pc,pcv->pv", weights, values[corners])


def triangle_areas(xyz, faces):
    """[F] square metres. xyz: [V, 3] metres; faces: [F, 3]"""
    first, second, third = xyz[faces[:, 0]], xyz[faces[:, 1]], xyz[faces[:, 2]]
    return np.linalg.norm(np.cross(second - first, third - first), axis=1) / 2


def fill_faces(decoded, faces):
    """The DecodedCloud of the vertices of a mesh, or points on its faces where the vertices are too sparse.

    They are if half of the surface is in triangles with an edge above LONG_EDGE. Then colours are interpolated, a
    remark says so, and every point was kept. Surfaces that are too large, as in millimetres, give their vertices.

    faces: [F, 3] rows of the records that `decoded` was made of, or None
    """
    if faces is None:
        return decoded
    cloud, row = decoded.cloud, np.cumsum(decoded.kept) - 1
    faces = row[faces[decoded.kept[faces].all(axis=1)]]
    xyz = cloud.xyz.astype(np.float64)
    areas = triangle_areas(xyz, faces)
    edge = np.max([np.linalg.norm(xyz[faces[:, i]] - xyz[faces[:, i - 1]], axis=1) for i in range(3)], axis=0)
    spacing = surface_spacing(areas.sum())
    if not areas.sum() / 2 < areas[edge > LONG_EDGE].sum() or spacing > MAX_SPACING:
        return decoded
    points, corners, weights = points_on(xyz, faces, spacing)
    rgb = np.rint(between(cloud.rgb, corners, weights)).astype(np.uint8)
    remark = (
        f"the mesh's {len(cloud)} vertices are too sparse: {len(points)} points were put on its {len(faces)} faces, "
        "with colours between those of the vertices"
    )
    filled = replace(cloud, xyz=points.astype(np.float32), rgb=rgb, remarks=(*cloud.remarks, remark))
    return DecodedCloud(filled, np.ones(len(points), dtype=bool))
