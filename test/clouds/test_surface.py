# SPDX-License-Identifier: Apache-2.0
"""Meshes in PLY: points on their faces where the vertices are too sparse, otherwise the vertices."""

import numpy as np
import pytest

from spaceformer_ros.clouds.files import read_cloud, read_records
from spaceformer_ros.clouds.formats import ply_faces
from spaceformer_ros.clouds.formats.ply import read_header

HEADER = "ply\nformat {} 1.0\n"
VERTICES = "element vertex {}\n" + "".join(f"property double {axis}\n" for axis in "xyz")
VERTICES += "".join(f"property uchar {name}\n" for name in ("red", "green", "blue"))
FACES = "element face {}\nproperty list uchar int {}\n"
VERTEX = [(axis, "f8") for axis in "xyz"] + [(name, "u1") for name in ("red", "green", "blue")]
SIDE = 2.0  # metres of a floor, which gets redder along x
FLOOR = [(0, 0, 0, 0, 9, 9), (SIDE, 0, 0, 200, 9, 9), (SIDE, SIDE, 0, 200, 9, 9), (0, SIDE, 0, 0, 9, 9)]
SHAPES = {
    "triangles": [(0, 1, 2), (0, 2, 3)],
    "quads": [(0, 1, 2, 3)],
    "mixed": [(0, 1, 2), (0, 2, 3), (0, 1, 2, 3)],
}


def write_mesh(path, vertices, faces, kind="binary_little_endian", name="vertex_indices", faces_first=False, more=()):
    """A PLY file. more: a value of each face behind its corners."""
    order = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}[kind]
    parts = [VERTICES.format(len(vertices)), FACES.format(len(faces), name) + "property float area\n" * bool(more)]
    if order:
        dtype = [(column, order + code) for column, code in VERTEX]
        contents = [np.array([tuple(row) for row in vertices], dtype).tobytes(), b""]
        for number, face in enumerate(faces):
            contents[1] += bytes([len(face)]) + np.array(face, order + "i4").tobytes()
            contents[1] += np.array(more[number : number + 1], order + "f4").tobytes()
    else:
        rows = [" ".join(f"{value:.17g}" for value in row) for row in vertices]
        lists = [" ".join(map(str, [len(face), *face, *more[i : i + 1]])) for i, face in enumerate(faces)]
        contents = [("\n".join(lines) + "\n").encode() for lines in (rows, lists)]
    if faces_first:
        parts, contents = parts[::-1], contents[::-1]
    path.write_bytes((HEADER.format(kind) + "".join(parts) + "end_header\n").encode() + b"".join(contents))


def grid(side, spacing):
    """Vertices and faces of a square floor with a grid of vertices."""
    count = round(side / spacing) + 1
    row, column = (axis.ravel() for axis in np.indices((count, count)))
    vertices = np.column_stack([column * spacing, row * spacing, *np.zeros((2, len(row))), row % 2 * 200, 0 * row])
    first = np.arange(count * count).reshape(count, count)[:-1, :-1].ravel()
    quads = np.column_stack([first, first + 1, first + count + 1, first + count])
    return vertices, [tuple(quad) for quad in quads.tolist()]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["binary_little_endian", "binary_big_endian", "ascii"])
@pytest.mark.parametrize("options", [{}, {"faces_first": True, "name": "vertex_index"}, {"more": (1.0, 2.0, 3.0)}])
def test_sparse_vertices_are_filled(tmp_path, shape, kind, options):
    path = tmp_path / "a.ply"
    if "more" in options:
        options = {"more": options["more"][: len(SHAPES[shape])]}
    write_mesh(path, FLOOR, SHAPES[shape], kind, **options)
    cloud = read_cloud(path).cloud
    x, y, z = cloud.xyz.T
    area = SIDE**2 * (2 if shape == "mixed" else 1)
    assert abs(len(cloud) - area / 0.02**2) < 3
    count, *_ = np.histogram2d(x, y, bins=10, range=[[0, SIDE]] * 2)
    assert count.min() > 0.8 * count.mean()  # evenly
    assert not z.any()
    assert (np.abs(cloud.rgb[:, 0] - 100 * x) < 1).all()
    assert (cloud.rgb[:, 1:] == 9).all()
    (remark,) = cloud.remarks
    faces = {"triangles": 2, "quads": 2, "mixed": 4}[shape]
    assert remark.startswith(f"the mesh's 4 vertices are too sparse: {len(cloud)} points were put on its {faces} faces")
    assert np.array_equal(read_cloud(path).cloud.xyz, cloud.xyz)
    assert len(read_records(path)) == 4


def test_dense_vertices_are_read_as_they_are(tmp_path):
    for spacing, filled in ((0.05, False), (0.09, True)):
        write_mesh(tmp_path / "a.ply", *grid(1.8, spacing))
        decoded = read_cloud(tmp_path / "a.ply")
        assert bool(decoded.cloud.remarks) == filled
        assert (len(decoded.cloud) == len(decoded.kept) == (8100 if filled else 37 * 37)) or spacing == 0.09


def test_vertices_that_are_left_out_take_their_faces_along(tmp_path):
    """Here with coordinates of UTM, which get a local origin."""
    corner = np.array([500_000.25, 5_400_000.5, 100])
    vertices = [tuple(corner + row[:3]) + row[3:] for row in FLOOR]
    write_mesh(tmp_path / "a.ply", [(np.nan,) * 3 + (1, 1, 1), *vertices], [(1, 2, 3), (0, 1, 3)])
    cloud = read_cloud(tmp_path / "a.ply").cloud
    assert abs(len(cloud) - SIDE**2 / 2 / 0.02**2) < 3
    low, high = cloud.in_frame().min(axis=0) - corner, cloud.in_frame().max(axis=0) - corner
    assert np.allclose([low, high], [[0, 0, 0], [SIDE, SIDE, 0]], atol=0.05)


@pytest.mark.parametrize(
    "faces", [[(0, 1, 4)], [(0, 1, -1)], [(0, 1)], [(0, 1, 2), ()], [(0, 1, 1)], [(0, 1, 2), (0, 1, 7, 3)]]
)
@pytest.mark.parametrize("kind", ["binary_little_endian", "ascii"])
def test_damaged_faces_cost_nothing_else(tmp_path, faces, kind):
    path = tmp_path / "a.ply"
    write_mesh(path, FLOOR, faces, kind)
    whole = path.read_bytes()
    assert len(read_cloud(path).cloud) in (4, 5000)
    for cut in range(1, 8):
        path.write_bytes(whole[:-cut])
        assert len(read_cloud(path).cloud) in (4, 5000)


def test_size_and_number_of_faces_are_bounded(tmp_path, monkeypatch):
    path = tmp_path / "a.ply"
    write_mesh(path, [(1000 * x, 1000 * y, z, *rgb) for x, y, z, *rgb in FLOOR], SHAPES["quads"])  # millimetres
    assert len(read_cloud(path).cloud) == 4
    assert len(read_cloud(path, scale=0.001).cloud) == pytest.approx(10_000, abs=3)
    monkeypatch.setattr(ply_faces, "MAX_FACES", 1)
    for faces, count in (([(0, 1, 2)], 5000), (SHAPES["triangles"], 4), (SHAPES["quads"], 4)):
        write_mesh(path, FLOOR, faces)
        assert len(read_cloud(path).cloud) == pytest.approx(count, abs=3)


@pytest.mark.parametrize("kind", ["binary_little_endian", "ascii"])
def test_huge_polygons_are_left_out_before_memory_is_allocated(tmp_path, monkeypatch, kind):
    path = tmp_path / "a.ply"
    write_mesh(path, FLOOR, [(0, 1, 2), (0,) * 200], kind)
    monkeypatch.setattr(ply_faces, "MAX_CORNERS", 100)
    monkeypatch.setattr(ply_faces, "_triangles", None)  # would fail if they were collected
    assert ply_faces.read_faces(path, read_header(path)) is None


def test_one_huge_polygon_as_text_is_not_parsed(tmp_path, monkeypatch):
    path = tmp_path / "a.ply"
    write_mesh(path, FLOOR, [(0,) * 2000], "ascii")  # 4,000 bytes
    monkeypatch.setattr(ply_faces, "parse_numbers", None)  # would fail
    assert ply_faces.read_faces(path, read_header(path)) is None
