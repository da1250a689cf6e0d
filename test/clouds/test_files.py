# SPDX-License-Identifier: Apache-2.0
import zipfile

import numpy as np
import pytest

from spaceformer_ros import SpaceformerError
from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.clouds.files import read_cloud, read_records, write_cloud


@pytest.fixture
def cloud(rng):
    return Cloud(rng.normal(size=(50, 3)).astype(np.float32), rng.integers(0, 256, (50, 3), dtype=np.uint8))


@pytest.mark.parametrize("suffix", ["ply", "pcd", "npz"])
def test_clouds_survive_a_round_trip_with_extra_properties(tmp_path, cloud, suffix):
    path = tmp_path / f"cloud.{suffix}"
    write_cloud(path, cloud, {"instance": np.arange(50, dtype=np.int64), "score": np.linspace(0, 1, 50, dtype="f4")})
    decoded, records = read_cloud(path), read_records(path)
    assert np.array_equal(decoded.cloud.xyz, cloud.xyz)
    assert np.array_equal(decoded.cloud.rgb, cloud.rgb)
    assert np.array_equal(records["instance"], np.arange(50))
    assert np.array_equal(records["score"], np.linspace(0, 1, 50, dtype="f4"))


PLY = "ply\nformat {}\ncomment by hand\nelement vertex 2\nproperty {} x\nproperty {} y\nproperty {} z\n{}end_header\n"
RGB = "property uchar red\nproperty uchar green\nproperty uchar blue\n"


def test_ply_as_text_with_faces_behind_the_vertices(tmp_path):
    header = PLY.format("ascii 1.0", "float", "float", "float", RGB + "element face 1\nproperty list uchar int i\n")
    (tmp_path / "a.ply").write_text(header + "1 2 3 255 128 0\n-1 -2 -3 1 2 3\n3 0 1 1\n")
    cloud = read_cloud(tmp_path / "a.ply").cloud
    assert cloud.xyz.tolist() == [[1, 2, 3], [-1, -2, -3]]
    assert cloud.rgb.tolist() == [[255, 128, 0], [1, 2, 3]]


@pytest.mark.parametrize(("form", "order"), [("binary_little_endian 1.0", "<"), ("binary_big_endian 1.0", ">")])
def test_binary_ply_of_doubles_in_both_byte_orders(tmp_path, form, order):
    points = np.array([(1, 2, 3, 9, 8, 7), (4, 5, 6, 200, 201, 202)], dtype=f"{order}f8,{order}f8,{order}f8,u1,u1,u1")
    for wrong in (False, True):  # declared
        swapped = points.astype(points.dtype.newbyteorder()) if wrong else points
        header = PLY.format(form, "double", "double", "double", RGB)
        (tmp_path / "a.ply").write_bytes(header.encode() + swapped.tobytes())
        cloud = read_cloud(tmp_path / "a.ply").cloud
        assert cloud.xyz.tolist() == [[1, 2, 3], [4, 5, 6]]
        assert cloud.rgb.tolist() == [[9, 8, 7], [200, 201, 202]]
        assert ("other byte order" in "".join(cloud.remarks)) == wrong


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"solid stl", "does not begin with 'ply'"),
        (b"ply\nformat ascii 1.0\nelement vertex 3\n", "no end_header"),
        (
            PLY.format("ascii 1.0", *3 * ["float"], RGB).encode() + b"1.5 2.5 3.5 4 5 6\n",
            "declares 2 .*: truncated",
        ),
        (PLY.format("ascii 1.0", *3 * ["float"], RGB).encode() + b"1 2 3 4 5 x\n" * 2, "not a row of numbers"),
        (PLY.format("binary_little_endian 1.0", *3 * ["float"], RGB).encode() + bytes(20), "truncated"),
        (PLY.format("ascii 1.0", *3 * ["float"], "").encode() + b"1 2 3\n4 5 6\n", "no colour"),
        (b"ply\nformat ascii 1.0\nelement face 1\nproperty list uchar int i\nend_header\n", "no vertices .*: face"),
        (
            b"ply\nformat ascii 1.0\nelement vertex 1\nproperty uint packed_position\nend_header\n1\n",
            "compressed Gaussian splats: export it as uncompressed",
        ),
        (b"ply\nformat ascii 1.0\nelement vertex 1\nproperty half x\nend_header\n1\n", "line 4 .* not supported"),
    ],
)
def test_broken_ply_files_are_refused_with_the_path(tmp_path, content, words):
    path = tmp_path / "broken.ply"
    path.write_bytes(content)
    with pytest.raises(SpaceformerError, match=words) as caught:
        read_cloud(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", ["pcd", "npz"])
def test_other_broken_files_are_refused(tmp_path, suffix):
    path = tmp_path / f"broken.{suffix}"
    path.write_bytes(b"\x00\x01nothing of the kind")
    with pytest.raises(SpaceformerError, match="cannot be read as"):
        read_cloud(path)


RED = b"property uchar red\n"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"vertex 2", b"vertex -2", "line 4 .* declares '-2' of vertex"),
        (b"vertex 2", b"vertex", "line 4 of the PLY header, 'element vertex', is incomplete"),
        (b"vertex 2", b"vertex 999999999999", "declares 999999999999 of at least 15: truncated"),
        (b"vertex 2", b"vertex " + b"9" * 5000, "expected an integer"),
        (RED, RED + RED, "'red' is duplicated"),
    ],
)
def test_ply_headers_with_wrong_values_are_refused(tmp_path, old, new, words):
    header = PLY.format("binary_little_endian 1.0", *3 * ["float"], RGB).encode()
    (tmp_path / "a.ply").write_bytes(header.replace(old, new) + bytes(30))
    with pytest.raises(SpaceformerError, match=words):
        read_cloud(tmp_path / "a.ply")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"POINTS 50", b"POINTS 99999999999", r"declares 99999999999 x 16: truncated"),
        (b"COUNT 1 1 1 1", b"COUNT 1 1 1 999999999", "bytes per point, expected 1 to 65536"),
        (b"COUNT 1 1 1 1", b"COUNT 1 1 1", "different numbers of entries"),
        (b"TYPE F F F F", b"TYPE F F Q F", "field 'z' of the PCD has TYPE Q and SIZE 4"),
        (b"FIELDS", b"FELDS", r"line 3 of the PCD header, 'FELDS x y z rgb', has no known keyword"),
        (b"DATA binary", b"DATA base64", "DATA 'base64"),
    ],
)
@pytest.mark.parametrize("data", ["binary", "binary_compressed"])
def test_pcd_headers_with_wrong_values_are_refused(tmp_path, cloud, data, old, new, words):
    path = tmp_path / "a.pcd"
    write_cloud(path, cloud)
    content = path.read_bytes().replace(b"DATA binary\n", f"DATA {data}\n".encode())
    assert old in content
    path.write_bytes(content.replace(old, new))
    with pytest.raises(SpaceformerError, match=words):
        read_cloud(path)


def test_a_pcd_of_text_with_too_few_points_is_refused(tmp_path):
    header = (
        "FIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F U\nCOUNT 1 1 1 1\nWIDTH {0}\nHEIGHT 1\nPOINTS {0}\nDATA ascii\n"
    )
    (tmp_path / "a.pcd").write_text(header.format(2) + "1 2 3 4\n5 6 7 8\n")
    assert len(read_cloud(tmp_path / "a.pcd").cloud) == 2
    (tmp_path / "a.pcd").write_text(header.format(3) + "1 2 3 4\n5 6 7 8\n")
    with pytest.raises(SpaceformerError, match="holds 16 bytes of points, its header declares 3 rows"):
        read_cloud(tmp_path / "a.pcd")


def test_an_npz_with_a_wrong_array_header_is_refused(tmp_path):
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 3), }".ljust(117) + "\n"
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("xyz.npy", b"\x93NUMPY\x01\x00\x76\x00" + header.encode() + bytes(120))
    with pytest.raises(SpaceformerError, match=r"its header declares \[99999999999, 3\] values"):
        read_cloud(tmp_path / "a.npz")


def test_an_npz_with_a_wrong_directory_is_refused(tmp_path, cloud):
    np.savez(tmp_path / "a.npz", xyz=cloud.xyz, rgb=cloud.rgb)
    content = (tmp_path / "a.npz").read_bytes()
    sizes = content.index(b"PK\x01\x02") + 20  # compressed and real size of the first entry
    (tmp_path / "a.npz").write_bytes(content[:sizes] + b"\xff\xff\xff\x3f" * 2 + content[sizes + 8 :])
    with pytest.raises(SpaceformerError, match="directory declares more bytes than it has"):
        read_cloud(tmp_path / "a.npz")


def test_npz_colors_must_be_numbers(tmp_path, cloud):
    np.savez(tmp_path / "a.npz", xyz=cloud.xyz, rgb=cloud.rgb.astype(str))
    with pytest.raises(SpaceformerError, match="'rgb' holds <U3, expected one number per point"):
        read_cloud(tmp_path / "a.npz")


def test_npz_arrays_in_any_order_and_other_members_are_accepted(tmp_path, cloud):
    np.savez(tmp_path / "a.npz", xyz=np.asfortranarray(cloud.xyz), rgb=cloud.rgb, scale=np.float64(2))
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("about.txt", "by hand")
    assert np.array_equal(read_cloud(tmp_path / "a.npz").cloud.xyz, cloud.xyz)


def test_missing_files_and_unknown_suffixes_are_refused(tmp_path):
    with pytest.raises(SpaceformerError, match="No such file"):
        read_cloud(tmp_path / "none.ply")
    with pytest.raises(SpaceformerError, match="no such file"):
        read_cloud(tmp_path / "cloud.doc")
    (tmp_path / "cloud.doc").write_text("Dear robot,")
    with pytest.raises(SpaceformerError, match=r"'.doc' is not one of .ply, .pcd, .npz"):
        read_cloud(tmp_path / "cloud.doc")


def test_a_folder_is_no_map(tmp_path):
    with pytest.raises(SpaceformerError, match="is a folder: give one of its files"):
        read_cloud(tmp_path)


def test_npz_never_unpickles(tmp_path):
    np.savez(tmp_path / "a.npz", xyz=np.array([{"code": 1}], dtype=object))
    with pytest.raises(SpaceformerError, match="cannot be read as NPZ"):
        read_cloud(tmp_path / "a.npz")
