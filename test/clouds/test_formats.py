# SPDX-License-Identifier: Apache-2.0
"""Files as other programs write them are read, or refused with one sentence."""

import itertools
import json
import os
import struct
import sys

import numpy as np
import pytest
from helpers.fakes import full_disk

from spaceformer_ros import SpaceformerError
from spaceformer_ros.clouds import surface
from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.clouds.files import read_cloud, read_records, write_cloud
from spaceformer_ros.clouds.formats import meshes
from spaceformer_ros.clouds.formats.lzf import _decompress

XYZ = [[1.0, 2.0, 3.0], [-1.5, 0.25, 8.0]]
RGB = [[255, 128, 0], [1, 2, 3]]
HEADER = "ply\nformat ascii 1.0\nelement vertex 2\n"
PROPERTIES = "".join(f"property float {axis}\n" for axis in "xyz")
PROPERTIES += "".join(f"property uchar {name}\n" for name in ("red", "green", "blue"))
ROWS = "1 2 3 255 128 0\n-1.5 .25 8 1 2 3\n"
LIST = "property list uchar int owners\n"
FACES = "element face 2\nproperty list uchar int vertex_indices\n"


def check(path):
    cloud = read_cloud(path).cloud
    assert cloud.xyz.tolist() == XYZ
    assert cloud.rgb.tolist() == RGB


# --- PLY -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        HEADER + PROPERTIES + "end_header\n" + ROWS,
        "\ufeff" + HEADER + PROPERTIES + "end_header\n" + ROWS,
        HEADER + "\n  \n" + PROPERTIES + "end_header\n" + ROWS,
        HEADER + "comment caf\xe9\nobj_info x\n" + PROPERTIES + "end_header\n" + ROWS,
        HEADER + PROPERTIES + FACES + "end_header\n" + ROWS + "3 0 1 1\n4 0 1 1 0\n",
        HEADER.replace("element", FACES + "element") + PROPERTIES + "end_header\n3 0 1 1\n\n4 0 1 1 0\n" + ROWS,
        HEADER
        + "property list uchar int owners\n"
        + PROPERTIES
        + "end_header\n2 7 7 1 2 3 255 128 0\n0 -1.5 .25 8 1 2 3",
        HEADER + PROPERTIES + "property float q\nend_header\n1 2 3 255 128 0 nan\n-1.5 .25 8 1 2 3 -nan(ind)\n",
        HEADER + PROPERTIES + "end_header\n" + ROWS.replace("\n", " "),
        HEADER + PROPERTIES.replace("x", "X") + "end_header\n" + ROWS,
        HEADER.replace("ply", "PLY").replace("vertex", "Vertex") + PROPERTIES.title() + "end_header\n" + ROWS,
        HEADER + PROPERTIES + "property int64 id\nend_header\n" + ROWS.replace("\n", " 7\n"),
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_ply_as_text(tmp_path, text, ending):
    (tmp_path / "a.ply").write_bytes(text.replace("\n", ending).encode())
    check(tmp_path / "a.ply")


def test_text_holds_more_than_its_header_says(tmp_path):
    header = HEADER + PROPERTIES + "end_header\n"
    (tmp_path / "a.ply").write_text(header + "500000.125 5400000.375 3 .5 1 0\n500001 5400000 3 .25 0 1\n")
    cloud = read_cloud(tmp_path / "a.ply").cloud  # floats in text are exact, and colours of 0..1 are not bytes
    assert cloud.in_frame()[0].tolist() == [500000.125, 5400000.375, 3]
    assert cloud.rgb[0].tolist() == [128, 255, 0]


def test_integers_are_coordinates(tmp_path):
    properties = PROPERTIES.replace("float", "int")
    (tmp_path / "a.ply").write_text(HEADER + properties + "end_header\n1 2 3 0 0 9\n-4 5 6 0 0 9\n")
    assert read_cloud(tmp_path / "a.ply").cloud.xyz.tolist() == [[1, 2, 3], [-4, 5, 6]]


@pytest.mark.parametrize("rows", ["1 2 3 255 128\n-1 0 8 1 2\n9 9\n", "1 2 3 255 128 0 7\n-1 0 8 1 2 3 7\n"])
@pytest.mark.parametrize("suffix", ["ply", "pcd"])
def test_rows_of_another_width_are_refused_and_not_shifted(tmp_path, rows, suffix):
    header = HEADER + PROPERTIES + "end_header\n"
    if suffix == "pcd":
        header = PCD.replace("rgb", "r g b").replace("F U", "F U U U").replace("COUNT 1 1 1 1\n", "")
        header = header.replace("4 4\n", "4 1 1 1\n")
    (tmp_path / f"a.{suffix}").write_text(header + rows)
    with pytest.raises(SpaceformerError, match=r"the first row has [57] values, the header declares 6"):
        read_cloud(tmp_path / f"a.{suffix}")


@pytest.mark.parametrize(
    ("suffix", "row", "words"),
    [
        ("ply", "1 2 3 255 128", "line 16 has 5 values, the header declares 6"),
        ("ply", "1 2 3 255 128 0 9", "line 16 has 7 values, the header declares 6"),
        ("ply", "1 2 3 255 128 red", "line 16: 'red' is not a number"),
        ("ply", "1,5 2 3 255 128 0", "line 16: '1,5' is not a number"),
        ("pcd", "1 2 x 4", "line 12: 'x' is not a number"),
    ],
)
def test_a_wrong_row_of_text_is_refused_with_its_line(tmp_path, suffix, row, words):
    """Numbers of the faces never fill up the vertices."""
    rows, header = "1 2 3 255 128 0\n", HEADER.replace("vertex 2", "vertex 4") + PROPERTIES + FACES + "end_header\n"
    if suffix == "pcd":
        rows, header = "1 2 3 4\n", PCD.replace("POINTS 2", "POINTS 4").replace("WIDTH 2", "WIDTH 4")
    faces = "3 0 1 1\n3 0 1 1\n" if suffix == "ply" else ""
    (tmp_path / f"a.{suffix}").write_text(header + rows * 3 + row + "\n" + faces)
    with pytest.raises(SpaceformerError, match=words):
        read_cloud(tmp_path / f"a.{suffix}")


@pytest.mark.parametrize(("suffix", "line"), [("ply", 13), ("pcd", 11), ("xyz", 3)])
def test_a_row_that_is_longer_by_what_the_next_one_lacks_is_refused(tmp_path, suffix, line):
    """As two programs leave it that write one file: the number of values is right."""
    pcd = PCD.replace("rgb", "r g b").replace("F U", "F U U U").replace("COUNT 1 1 1 1\n", "COUNT 1 1 1 1 1 1\n")
    pcd = pcd.replace("4 4\n", "4 1 1 1\n").replace("POINTS 2", "POINTS 5").replace("WIDTH 2", "WIDTH 5")
    ply = HEADER.replace("vertex 2", "vertex 5") + PROPERTIES + "end_header\n"
    rows = "1 2 3 4 5 6\n\n1 2 3 4 5 6 1\n2 3 4 5 6\n\n1 2 3 4 5 6\n1 2 3 4 5 6\n"
    (tmp_path / f"a.{suffix}").write_text({"ply": ply, "pcd": pcd, "xyz": ""}[suffix] + rows)
    with pytest.raises(SpaceformerError, match=f"line {line} has 7 "):
        read_cloud(tmp_path / f"a.{suffix}")


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("faces", [[], [3, 3], [3, 4]])
@pytest.mark.parametrize("lists", [None, 0, 2])
def test_binary_ply(tmp_path, ending, order, faces, lists):
    sign = {"little": "<", "big": ">"}[order]
    header = f"ply\nformat binary_{order}_endian 1.0\n"
    content = b""
    if faces:
        header += FACES
        for length in faces:
            content += np.uint8(length).tobytes() + np.arange(length, dtype=sign + "i4").tobytes()
    header += "element vertex 2\n" + PROPERTIES + ("" if lists is None else "property list ushort float weights\n")
    for xyz, rgb in zip(XYZ, RGB):
        content += np.array(xyz, dtype=sign + "f4").tobytes() + bytes(rgb)
        if lists is not None:
            content += np.array([lists], dtype=sign + "u2").tobytes() + np.ones(lists, dtype=sign + "f4").tobytes()
    header += "element edge 1\nproperty int a\nend_header\n"
    (tmp_path / "a.ply").write_bytes(header.replace("\n", ending).encode() + content + b"\x0a\x0d\x00\x00")
    check(tmp_path / "a.ply")


def test_binary_ply_with_lists_of_different_lengths_is_refused(tmp_path):
    header = "ply\nformat binary_little_endian 1.0\nelement vertex 2\nproperty list uchar uchar w\n" + PROPERTIES
    rows = [bytes([n]) + bytes(n) + np.array(xyz, "<f4").tobytes() + bytes(3) for n, xyz in zip((1, 2), XYZ)]
    (tmp_path / "a.ply").write_bytes((header + "end_header\n").encode() + b"".join(rows))
    with pytest.raises(SpaceformerError, match="lists 'w' of the vertices have different lengths"):
        read_cloud(tmp_path / "a.ply")


# --- PCD -------------------------------------------------------------------------------------------------------------

PCD = "FIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F U\nCOUNT 1 1 1 1\nWIDTH 2\nHEIGHT 1\nPOINTS 2\nDATA ascii\n"
PCD_ROWS = "1 2 3 16744448\n-1.5 .25 8 66051\n"  # 0xFF8000, 0x010203


@pytest.mark.parametrize(
    "text",
    [
        "# .PCD v.7\nVERSION .7\n" + PCD + PCD_ROWS,
        "VERSION .6\n" + PCD.replace("FIELDS", "COLUMNS") + PCD_ROWS,
        "# M\xfcnchen\n" + PCD + PCD_ROWS,
        PCD.replace("COUNT 1 1 1 1\n", "") + PCD_ROWS,
        PCD.replace("POINTS 2\n", "") + PCD_ROWS,
        PCD.replace("WIDTH 2\nHEIGHT 1\n", "VIEWPOINT 0 0 0 1 0 0 0\n") + PCD_ROWS,
        PCD.replace("TYPE F F F U", "TYPE F F F F") + PCD_ROWS,  # the number 0xRRGGBB in a float
        PCD.replace("DATA ascii", "DATA ASCII") + PCD_ROWS + "\n\n",
        PCD.lower() + PCD_ROWS,
        "\xef\xbb\xbf" + PCD + PCD_ROWS,
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_pcd_as_text(tmp_path, text, ending):
    (tmp_path / "a.pcd").write_bytes(text.replace("\n", ending).encode("latin-1"))
    check(tmp_path / "a.pcd")


@pytest.mark.parametrize(
    ("name", "header"), [("a.pcd", PCD + PCD_ROWS), ("a.ply", HEADER + PROPERTIES + "end_header\n")]
)
def test_digits_that_are_no_numbers_are_refused(tmp_path, name, header):
    text = header.replace("HEIGHT 1", "HEIGHT 1\xb9").replace("vertex 2", "vertex 2\xb9")
    (tmp_path / name).write_bytes(text.encode("latin-1"))
    with pytest.raises(SpaceformerError, match=r"'[12]\xb9'.*expected an integer"):
        read_cloud(tmp_path / name)


def test_pcd_with_nan_as_windows_writes_it(tmp_path):
    text = PCD.replace("WIDTH 2", "WIDTH 4").replace("POINTS 2", "POINTS 4") + "-nan(ind) 0 0 7\n1.#QNAN 0 0 7\n"
    (tmp_path / "a.pcd").write_text(text + PCD_ROWS)
    check(tmp_path / "a.pcd")


@pytest.mark.parametrize("values", [0, 1])
@pytest.mark.parametrize("data", ["ascii", "binary"])
def test_pcd_with_a_count_of_zero(tmp_path, values, data):
    """Some writers mean no value by it, others one: the size of the data decides."""
    text = (
        PCD.replace("z rgb", "z rgb n").replace("4 4\n", "4 4 4\n").replace("F U", "F U F").replace("1 1\n", "1 1 0\n")
    )
    text = text.replace("DATA ascii", f"DATA {data}")
    if data == "ascii":
        content = "".join(f"{line}{' 9' * values}\n" for line in PCD_ROWS.splitlines()).encode()
    else:
        packed = (16744448, 66051)
        rows = [(*xyz, color, *[9] * values) for xyz, color in zip(XYZ, packed)]
        content = np.array(
            rows, dtype=[*[(a, "<f4") for a in "xyz"], ("c", "<u4"), ("n", "<f4")][: 4 + values]
        ).tobytes()
    (tmp_path / "a.pcd").write_bytes(text.encode() + content)
    check(tmp_path / "a.pcd")


def test_pcd_with_padding_and_arrays(tmp_path):
    header = "FIELDS x y z _ rgb _ n\nSIZE 4 4 4 1 4 1 4\nTYPE F F F U U U F\nCOUNT 1 1 1 4 1 3 33\nWIDTH 2\nHEIGHT 1\n"
    dtype = [("x", "<f4", (3,)), ("p", "u1", (4,)), ("c", "<u4"), ("q", "u1", (3,)), ("n", "<f4", (33,))]
    points = np.zeros(2, dtype=dtype)
    points["x"], points["c"], points["n"] = XYZ, (16744448, 66051), np.nan
    (tmp_path / "a.pcd").write_bytes((header + "POINTS 2\nDATA binary\n").encode() + points.tobytes())
    check(tmp_path / "a.pcd")
    assert read_records(tmp_path / "a.pcd").dtype.names == ("x", "y", "z", "rgb", "n")


@pytest.mark.parametrize("library", [True, False])
def test_compressed_pcd_of_another_writer(tmp_path, rng, monkeypatch, library):
    pypcd4 = pytest.importorskip("pypcd4")
    xyz, rgb = rng.normal(size=(500, 3)).round(1).astype(np.float32), rng.integers(0, 9, (500, 3), dtype=np.uint8)
    write_cloud(tmp_path / "a.pcd", Cloud(xyz, rgb), {"ring": np.arange(500, dtype=np.uint16)})
    points = pypcd4.PointCloud.from_path(tmp_path / "a.pcd")  # which also checks what this package writes
    assert np.array_equal(points.pc_data["ring"].ravel(), np.arange(500))
    points.save(tmp_path / "b.pcd", pypcd4.Encoding.BINARY_COMPRESSED)
    if not library:
        monkeypatch.setitem(sys.modules, "lzf", None)
    assert np.array_equal(read_cloud(tmp_path / "b.pcd").cloud.xyz, xyz)
    assert np.array_equal(read_cloud(tmp_path / "b.pcd").cloud.rgb, rgb)
    assert np.array_equal(read_records(tmp_path / "b.pcd")["ring"], np.arange(500))


@pytest.mark.parametrize("packed", [b"\x05abc", b"\xe0", b"\x20\x05", b"\x00a\xe0\xff\x00"])
def test_damaged_compression_is_refused(packed):
    with pytest.raises(SpaceformerError, match="damaged"):
        _decompress(packed, 5)


# --- others ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["xyz", "points", "pos", "coord"])
@pytest.mark.parametrize("colors", ["rgb", "color", "colors"])
@pytest.mark.parametrize("scale", [1, 1 / 255])
def test_npz_arrays_by_their_usual_names(tmp_path, name, colors, scale):
    values = np.array(RGB, dtype=np.uint8) if scale == 1 else np.array(RGB) * scale
    np.savez(tmp_path / "a.npz", **{name: np.array(XYZ), colors: values, "label": [4, 5], "about": "by hand"})
    check(tmp_path / "a.npz")
    assert read_records(tmp_path / "a.npz")["label"].tolist() == [4, 5]


@pytest.mark.parametrize(
    "arrays",
    [
        {"XYZ": XYZ, "RGB": RGB},
        {"xyz": [XYZ], "rgb": [RGB]},  # organised, [H, W, 3]
        {"arr_0": np.hstack([XYZ, RGB])},
        {"points": np.rec.fromarrays(np.array(XYZ).T, names="x, y, z"), "rgb": RGB},
        dict(zip(("x", "y", "z", "red", "green", "blue"), np.hstack([XYZ, RGB]).T)),
    ],
)
def test_other_layouts_of_npz(tmp_path, arrays):
    np.savez(tmp_path / "a.npz", **arrays)
    check(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"xyz": np.zeros((5, 3)), "rgb": np.zeros((4, 3))}, r"array rgb \[4, 3\] has no row for each of \[5\] points"),
        ({"xyz": np.zeros((3, 500)), "rgb": np.zeros((3, 500))}, r"needs an array xyz \[N, 3\] \(found xyz \[3, 500\]"),
    ],
)
def test_arrays_that_do_not_fit_are_named(tmp_path, arrays, words):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(SpaceformerError, match=words):
        read_cloud(tmp_path / "a.npz")


def test_tables_in_npz_and_npy(tmp_path):
    table = np.column_stack([XYZ, RGB])
    np.save(tmp_path / "a.npy", table)
    check(tmp_path / "a.npy")
    np.savez(tmp_path / "a.npz", points=table)
    check(tmp_path / "a.npz")
    np.save(tmp_path / "a.npy", table.reshape(1, 2, 6))  # organised
    check(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.column_stack([table, [[0, 0, 1], [-1, 0, 0]]]))  # with normals
    check(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.tile(table, (20, 1)).T)
    with pytest.raises(SpaceformerError, match=r"holds an array \[6, 40\], expected \[N, 3\] .* r, g, b; transpose it"):
        read_cloud(tmp_path / "a.npy")


def scanned(rng, count=300):
    """Positions and colours of points on 20 things, of which each has its brightness."""
    thing, gloss = rng.integers(20, size=count), rng.integers(20, 200, size=(20, 1))
    colors = (gloss + rng.integers(-20, 20, size=(20, 3)))[thing] + rng.integers(-10, 10, size=(count, 3))
    return thing, rng.normal(size=(count, 3)), np.clip(colors, 0, 255)


@pytest.mark.parametrize(
    "further",
    [
        lambda thing, rng: thing,  # a label
        lambda thing, rng: np.full(len(thing), -1),  # none is known
        lambda thing, rng: 1000 + thing,
        lambda thing, rng: rng.random(len(thing)),  # confidence
        lambda thing, rng: np.zeros(len(thing)),
    ],
)
def test_seven_columns_are_colors_and_a_label_or_intensity_and_colors(tmp_path, rng, further):
    """Which of the two the data decide: read the wrong way, all colours would be shifted by one channel."""
    thing, xyz, rgb = scanned(rng)
    column = further(thing, rng)
    for name, order in (("a.txt", (xyz, rgb, column)), ("b.txt", (xyz, column, rgb))):
        np.savetxt(tmp_path / name, np.column_stack(order), fmt="%.6g")
        assert read_cloud(tmp_path / name).cloud.rgb.tolist() == rgb.tolist()
        np.save(tmp_path / "a.npy", np.column_stack(order))
        assert read_cloud(tmp_path / "a.npy").cloud.rgb.tolist() == rgb.tolist()


@pytest.mark.parametrize("width", range(3, 17))
def test_astronomic_numbers_in_arrays_are_no_warning(tmp_path, width):
    np.save(tmp_path / "a.npy", np.full((20, width), np.finfo(np.float32).max))
    assert len(read_records(tmp_path / "a.npy")) == 20


@pytest.mark.parametrize("first", [0, 1])
def test_row_numbers_are_no_coordinates(tmp_path, rng, first):
    _, xyz, rgb = scanned(rng)
    np.savetxt(tmp_path / "a.xyz", np.column_stack([np.arange(first, first + len(xyz)), xyz, rgb]), fmt="%.6g")
    cloud = read_cloud(tmp_path / "a.xyz").cloud
    assert np.allclose(cloud.xyz, xyz, atol=1e-4)
    assert cloud.rgb.tolist() == rgb.tolist()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.xyz", ROWS),
        ("a.xyz", "//X Y Z R G B\n" + ROWS),
        ("a.pts", "2\n1 2 3 -900 255 128 0\n-1.5 .25 8 -901 1 2 3\n"),
        ("a.csv", "x,y,z,red,green,blue\n" + ROWS.replace(" ", ",")),
        ("a.csv", '\ufeff"X";"Y";"Z";"R";"G";"B"\n' + ROWS.replace(" ", ";")),
        ("a.csv", "time,X,Y,Z,r,g,b\r\n0,1,2,3,255,128,0\r\n1,-1.5,.25,8,1,2,3\r\n"),
        ("a.csv", "x;y;z;r;g;b\n1,0;2;3;255;128;0\n-1,5;0,25;8;1;2;3\n"),
        ("a.tsv", "X [mm],Y(mm),Z (mm),R,G,B\n" + ROWS.replace(" ", ",")),  # input_scale converts
        ("a.csv", "X [m],Y [m],Z (m),R,G,B,\n" + ROWS.replace(" ", ",").replace("\n", ",\n")),
        ("a.xyz", "\n# made by hand\n# two points\n" + ROWS),
        ("a.xyz", "# x y z r g b\n" + ROWS),
        ("a.xyz", "# x y z r g b\r" + ROWS.replace("\n", "\r")),
        ("a.xyz", "1 2 3 255 128 0 0 0 1\n-1.5 .25 8 1 2 3 -1 0 0\n"),
        ("a.xyz", "1 2 3 0 0 1 255 128 0\n-1.5 .25 8 -1 0 0 1 2 3\n"),
        ("a.xyz", "1 2 3 255 128 0 255\n-1.5 .25 8 1 2 3 255\n"),
        ("a.asc", "// made by hand\n1 2 3 255 128 0 # first\n# c\n-1.5 .25 8 1 2 3 % last\n# end\n"),
        ("a.csv", "sep=;\nx;y;z;r;g;b;label\n1,0;2;3;255;128;0;chair\n-1,5;0,25;8;1;2;3;\n"),
        ("a.xyzrgb", ROWS),
        ("a.csv", '"RGB:0","RGB:1","RGB:2","Points:0","Points:1","Points:2"\n255,128,0,1,2,3\n1,2,3,-1.5,.25,8\n'),
        ("a.txt", "1,0\t2\t3,00\t255\t128\t0\n-1,5\t0,25\t8\t1\t2\t3\n"),
        ("a.xyz", "1,0 2,0 3,0 255 128 0\n-1,5 0,25 8 1 2 3\n"),
        ("a.txt", "x\ty\tz\tr\tg\tb\tlabel\n1,0\t2\t3\t255\t128\t0\tchair\n-1,5\t,25\t8\t1\t2\t3\t\n"),
        ("a.txt", "x y z r g b\n1,0 2 3 255 128 0\n-1,5 0,25 8 1 2 3\n"),
        ("a.csv", ROWS.replace(" ", ", ")),
        ("a.txt", "1,2,3 255,128,0\n-1.5,.25,8 1,2,3\n"),
        ("a.asc", "//X Y Z R G B\n2\n" + ROWS),
        ("a.txt", 'x_m|y_m|z_m|r|g|b\n"1"|"2"|"3"|"255"|"128"|"0"\n-1.5|.25|8|1|2|3\n'),
    ],
)
def test_text_tables(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    check(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "x,y,z,r,g,b\n1,2,3,4,5,6\n" + "1,,3,4,5,6\n" * 6, "line 3 has 5 numbers, expected 6"),
        ("a.pts", "1\n1 2 3 9 9 9 9\n2\n4 5 6 1 1 1 1\n" + "7 8 9 1 1 1 1\n", "line 3 has 1 numbers, expected 7"),
        ("a.pts", "3\n1 2 3 9 9 9 9\n4 5 6 1 1 1 1\n", "declares 3 points and holds 2: truncated"),
        ("a.csv", "x,y,z,r,g,b\n", "has no points"),
        ("a.asc", "//X Y Z R G B\n3\n" + ROWS, "declares 3 points and holds 2: truncated"),
        ("a.csv", "x,y,z,r,g,b\n1,2,3,4,5,6\n1,2,NULL,4,5,6\n", "line 3: 'NULL' is not a number"),
        ("a.csv", "x,y,z,r,g,b,b\n1,2,3,4,5,6,7\n", "column 'b' is there twice"),
        ("a.xyz", "1 2 3 255 128 0 7 8\n", "no colour .fields: x, y, z, column 4, column 5"),
        ("a.xyz", "hello\n", "line 1 has 1 columns"),
        ("a.csv", "x,y,z,r,g,b\n1,2,3,4,5,6\n1,234.5,2,3,4,5,6\n1,2,3,4,5,6\n", "line 3 has 7 cells, expected 6"),
        ("a.csv", "px,py,pz,r,g,b\n1,2,3,4,5,6\n", "call the coordinates x, y, z"),
        ("a.xyz", "", "it is empty"),
    ],
)
def test_tables_whose_rows_differ_are_refused_with_the_line(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(SpaceformerError, match=words):
        read_cloud(tmp_path / name)


def test_a_table_that_is_not_text_is_refused_before_it_is_read(tmp_path):
    with open(tmp_path / "a.xyz", "wb") as file:
        file.write(b"1")
        file.truncate(3 << 30)
    with pytest.raises(SpaceformerError, match="is not a text file"):
        read_cloud(tmp_path / "a.xyz")


def test_an_npy_with_a_damaged_header_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 6)))
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content.replace(b"}", b" "))
    with pytest.raises(SpaceformerError, match="cannot be read as NPY"):
        read_cloud(tmp_path / "a.npy")


def test_normals_are_not_colors(tmp_path):
    (tmp_path / "a.xyz").write_text("1 2 3 0 0 1\n4 5 6 0 -1 0\n")
    with pytest.raises(SpaceformerError, match="no colour"):
        read_cloud(tmp_path / "a.xyz")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.las", "need the package laspy: pip install laspy, or convert it with `pdal translate"),
        ("a.laz", "need the package laspy"),
        ("a.e57", "need the package pye57"),
        ("a.obj", "need the package trimesh"),
        ("a.glb", "need the package trimesh"),
        ("a.bag", "is a bag: play it"),
        ("a.mcap", "ros2 run pcl_ros pointcloud_to_pcd"),
        ("a.doc", "suffix '.doc' is not one of .ply, .pcd"),
        ("a.db", "`rtabmap-export FILE.db` writes its map as PLY"),
        ("a.ply.gz", "unpack it first"),
        ("a.safetensors", "`spaceformer find`, `view`, `layout` and `export` read saved scenes"),
        ("a.pth", "save arrays xyz and rgb as NPZ"),
        ("a.usdz", "export it as GLB or PLY"),
    ],
)
def test_unreadable_formats_name_the_library_or_command(tmp_path, monkeypatch, name, words):
    for library in ("laspy", "pye57", "trimesh"):
        monkeypatch.setitem(sys.modules, library, None)
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(SpaceformerError, match=words) as caught:
        read_cloud(tmp_path / name)
    assert str(caught.value).count(str(tmp_path)) == 1


@pytest.mark.parametrize("suffix", ["ply", "pcd", "npz", "csv", "las", pytest.param("glb", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"\0" * 5000, "begins with zeros only"),
        (b"version https://git-lfs.github.com/spec/v1\n", "run `git lfs pull`"),
        (b"<!DOCTYPE html>\n<html>", "it is a web page"),
        (b"\x1f\x8b\x08\0", "it is compressed"),
        (b"ASTM-E57\0", "name it .e57"),
        (b'{"points": [[1, 2, 3]]}', "it is JSON"),
        (
            b"# 3D point list with one line of data per point:\n",
            "list of sparse points: give its dense cloud, fused.ply",
        ),
        (b"# Bundle file v0.3\n", "Bundler's sparse points"),
        (b"NVM_V3\n", "VisualSFM's sparse points"),
    ],
)
def test_what_is_no_cloud_is_said(tmp_path, suffix, content, words):
    (tmp_path / f"a.{suffix}").write_bytes(content)
    with pytest.raises(SpaceformerError, match=words):
        read_cloud(tmp_path / f"a.{suffix}")


@pytest.mark.parametrize(
    ("head", "row", "words"),
    [
        (
            "# 3D point list with one line of data per point:\n#   POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[]\n",
            "{0} {0} 0.5 -1 250 120 3 0.7 1 20 2 30",
            "it is COLMAP's list of sparse points: give its dense cloud, fused.ply",
        ),
        (
            "# Image list with two lines of data per image:\n",
            "{0} 1 0 0 0 {0} 0 0 1 a.jpg",
            "COLMAP's list of pictures",
        ),
        ("# timestamp tx ty tz qx qy qz qw\n", "{0} {0} 0 0 0 0 0 1", "it is a trajectory: give the map"),
        ("", "{0} {0} 0 0 0.6 0 0 -0.8", "it is a trajectory"),
        ("", "0 -1 0 {0} 1 0 0 2.5 0 0 1 {0}", "it is a trajectory"),
        ("#timestamp, p_RS_R_x [m], p_RS_R_y [m]\n", "{0}, 1, 2", "it is a trajectory"),
        ("", "{0} 1.5 0.5 -1 250 120 3 0.75 1 20 2 30", "COLMAP's list of sparse points"),
        ("", "{0} 0.6 0 0 -0.8 {0} 0.5 0 1 my picture.JPG\n1.5 2.5 -1 3 4 7", "COLMAP's list of pictures"),
        ("", "{0} SIMPLE_RADIAL 640 480 500.5 320 240 -1e-3", "COLMAP's list of cameras"),
        ("# color images\n# file: 'a.bag'\n", "{0} rgb/{0}.png", "give its folder to `spaceformer fuse`"),
        ("", "{0}.5 0 0 0.6 0 0 -0.8", "no colour"),
    ],
)
def test_tables_that_are_no_cloud_are_refused(tmp_path, head, row, words):
    (tmp_path / "a.txt").write_text(head + "".join(row.format(number) + "\n" for number in range(50)))
    with pytest.raises(SpaceformerError, match=words):
        read_cloud(tmp_path / "a.txt")


@pytest.mark.parametrize(
    "row",
    [
        "{0} 2 1 250 120 3 5 6 7 8 9 10",  # integers only
        "{0} 1.5 0.5 250 120 3 0.25 1 20 2 30 4",
        "0.5 1.5 {0} 1 0 0 250 120 3 1 1 7",
    ],
)
def test_tables_that_look_like_lists_of_other_programs_are_not_called_so(tmp_path, row):
    (tmp_path / "a.txt").write_text("".join(row.format(number) + "\n" for number in range(50)))
    with pytest.raises(SpaceformerError, match="no colour"):  # of their many columns
        read_cloud(tmp_path / "a.txt")


@pytest.mark.parametrize("suffix", ["ply", "pcd"])
def test_binary_files_that_are_text_or_went_through_a_text_mode_are_refused(tmp_path, suffix, rng):
    path = tmp_path / f"a.{suffix}"
    rgb = rng.integers(0, 256, (500, 3), dtype=np.uint8)
    write_cloud(path, Cloud(rng.random((500, 3), dtype=np.float32), rgb))
    content = path.read_bytes()
    path.write_bytes(content + b"\r\n")  # some writers end the file with a line
    assert len(read_cloud(path).cloud) == 500
    path.write_bytes(content.replace(b"\n", b"\r\n"))
    with pytest.raises(SpaceformerError, match="was changed to CR LF"):
        read_cloud(path)
    end = content.index(b"\n", content.index(b"end_header" if suffix == "ply" else b"DATA")) + 1
    path.write_bytes(content[:end] + b"1.5 2.5 3.5 1 2 3\n" * 2000)
    with pytest.raises(SpaceformerError, match="but they are text"):
        read_cloud(path)


def write_las(laspy, path, version="1.2", points=XYZ):
    """A LAS or LAZ file with 16-bit colours."""
    header = laspy.LasHeader(point_format={"1.2": 3, "1.4": 7}[version], version=version)
    header.offsets, header.scales = np.floor(points).min(axis=0), [0.001] * 3
    las = laspy.LasData(header)
    las.x, las.y, las.z = np.array(points).T
    las.red, las.green, las.blue = np.array(RGB).T * 256
    las.write(path)


@pytest.mark.parametrize("name", ["a.las", "a.laz"])
@pytest.mark.parametrize("version", ["1.2", "1.4"])
def test_las(tmp_path, name, version):
    laspy = pytest.importorskip("laspy")
    write_las(laspy, tmp_path / name, version)
    check(tmp_path / name)
    far = np.array(XYZ) + (500_000.0, 5_000_000.0, 0.0)
    write_las(laspy, tmp_path / name, version, far)
    cloud = read_cloud(tmp_path / name).cloud
    assert np.abs(cloud.in_frame() - far).max() < 1e-6


@pytest.mark.parametrize(
    ("name", "offset", "words"),
    [
        ("a.las", 107, "declares 4294967295 points of 34 bytes"),
        ("a.las", 100, "bytes of records, the file has"),
        ("a.las", 96, "its points begin at byte 4294967295"),
        ("a.laz", 107, "declares 4294967295 points"),
        ("a.laz", "table", "declares 4294967295 chunks of points"),
    ],
)
def test_las_that_declares_more_than_it_holds(tmp_path, name, offset, words):
    """laspy and its LAZ backend would allocate it; a wrong number of chunks ends the process."""
    write_las(pytest.importorskip("laspy"), tmp_path / name)
    content = bytearray((tmp_path / name).read_bytes())
    if offset == "table":
        start = int.from_bytes(content[96:100], "little")
        offset = int.from_bytes(content[start : start + 8], "little") + 4
    content[offset : offset + 4] = b"\xff" * 4
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SpaceformerError, match=words):
        read_cloud(tmp_path / name)


@pytest.mark.parametrize("place", [0, 4, 20, 36])
def test_laz_layers_that_are_longer_than_the_file(tmp_path, place):
    """Point formats 6 to 10: lazrs would allocate what they declare, up to 4 GB each."""
    pytest.importorskip("lazrs")
    path = tmp_path / "a.laz"
    write_las(pytest.importorskip("laspy"), path, "1.4")
    content = bytearray(path.read_bytes())
    at = int.from_bytes(content[96:100], "little") + 8 + 36 + place  # after the offset of the table and one point
    content[at : at + 4] = b"\xff" * 4
    path.write_bytes(content)
    with pytest.raises(SpaceformerError, match="a chunk declares"):
        read_cloud(path)


def test_e57(tmp_path):
    pye57 = pytest.importorskip("pye57")
    file = pye57.E57(str(tmp_path / "a.e57"), mode="w")
    names = [f"cartesian{axis}" for axis in "XYZ"] + [f"color{name}" for name in ("Red", "Green", "Blue")]
    columns = [*np.array(XYZ).T, *np.array(RGB, dtype=np.uint8).T]
    scan = dict(zip(names, (np.ascontiguousarray(column) for column in columns)))
    file.write_scan_raw(scan)
    file.write_scan_raw(scan, rotation=np.array([1.0, 0, 0, 0]), translation=np.array([10.0, 0, 0]))
    file.close()
    cloud = read_cloud(tmp_path / "a.e57").cloud  # both scans in the common frame
    assert cloud.xyz.tolist() == XYZ + [[x + 10, y, z] for x, y, z in XYZ]
    assert cloud.rgb.tolist() == RGB + RGB


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.las", "a.laz", "a.e57", "a.obj", "a.glb", "a.gltf", "a.stl", "a.off"])
def test_files_of_libraries_that_are_damaged_get_one_line(tmp_path, name):
    for content in (b"", b"glTF\x02\x00\x00\x00" + bytes([255] * 40), b"LASF" + bytes(500), b"OFF\n1 1 0\n"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SpaceformerError) as caught:
            read_cloud(tmp_path / name)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 500


def test_mesh(tmp_path):
    trimesh = pytest.importorskip("trimesh")
    box = trimesh.creation.box((1.0, 1.0, 0.5))
    box.visual.vertex_colors = [200, 30, 30, 255]
    for suffix in ("obj", "glb"):
        box.export(tmp_path / f"a.{suffix}")
        cloud = read_cloud(tmp_path / f"a.{suffix}").cloud
        low, high = cloud.bounds
        assert np.allclose(high - low, (1.0, 1.0, 0.5), atol=0.01)
        assert len(cloud) == 10_000  # 4 square metres, every 2 cm
        assert (np.abs(cloud.rgb.astype(int) - (200, 30, 30)) < 3).all()
    content = (tmp_path / "a.glb").read_bytes()
    (tmp_path / "b.glb").write_bytes(content + b"more")  # what follows the declared length is not read
    assert np.array_equal(read_cloud(tmp_path / "b.glb").cloud.xyz, cloud.xyz)
    (tmp_path / "b.glb").write_bytes(content[:12] + b"\xff\xff\xff\x7f" + content[16:])
    with pytest.raises(SpaceformerError, match="the chunks of the GLB file do not end where it does"):
        read_cloud(tmp_path / "b.glb")


@pytest.mark.parametrize(("side", "spacing"), [(1.0, 0.02), (20.0, 0.0297)])
def test_points_on_a_mesh(tmp_path, monkeypatch, side, spacing):
    """Large meshes get fewer points per area; one in millimetres is refused."""
    trimesh = pytest.importorskip("trimesh")
    for module in (meshes, surface):
        monkeypatch.setattr(module, "MAX_POINTS", 1_000_000)
    trimesh.creation.box((side, side, 1.0)).export(tmp_path / "a.stl")
    points, area = read_records(tmp_path / "a.stl"), 2 * side**2 + 4 * side
    assert (area / len(points)) ** 0.5 == pytest.approx(spacing, rel=0.05)
    trimesh.creation.box((1000.0, 1000.0, 1000.0)).export(tmp_path / "b.stl")
    with pytest.raises(SpaceformerError, match=r"6e\+06 square metres, at most 2500 are read: scale it to metres"):
        read_records(tmp_path / "b.stl")


QUAD = np.array([[0, 0, 0], [1, 0, 0], [1, 0, 2], [0, 0, 2]], np.float32)
OBJ = "".join(f"v {x:g} {y:g} {z:g}\n" for x, y, z in QUAD)
UV = "vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"


def write_glb(
    path, colors=None, normalized=("COLOR_0",), mode=4, nodes=({"mesh": 0},), material=None, positions=QUAD, **document
):
    """A GLB file of a quad in plane y = 0, coloured by `colors` [3 or 4] of one of the types of glTF."""
    arrays = {"POSITION": positions, **({} if colors is None else {"COLOR_0": np.tile(colors, (len(QUAD), 1))})}
    codes, content, accessors, views = {"f4": 5126, "u1": 5121, "u2": 5123}, b"", [], []
    primitive = {"mode": mode, "attributes": {name: index for index, name in enumerate(arrays)}}
    arrays |= {"indices": np.array([0, 1, 2, 0, 2, 3], "u2")[:, None]}
    for name, array in arrays.items():
        content += bytes(-len(content) % 4)
        views.append({"buffer": 0, "byteOffset": len(content), "byteLength": array.nbytes})
        kind = {"bufferView": len(accessors), "componentType": codes[array.dtype.str[1:]], "count": len(array)}
        kind |= {"type": {1: "SCALAR", 3: "VEC3", 4: "VEC4"}[array.shape[1]]}
        accessors.append(kind | ({"normalized": True} if name in normalized and array.dtype.kind == "u" else {}))
        content += array.tobytes()
    content += bytes(-len(content) % 4)
    if mode == 4:
        primitive["indices"] = len(arrays) - 1
    if material:
        document["materials"], primitive["material"] = [{"pbrMetallicRoughness": material}], 0
    document |= {"asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": list(nodes)}
    document |= {"meshes": [{"primitives": [primitive]}], "accessors": accessors, "bufferViews": views}
    head = json.dumps(document | {"buffers": [{"byteLength": len(content)}]}).encode()
    head += b" " * (-len(head) % 4)
    chunks = struct.pack("<I4s", len(head), b"JSON") + head + struct.pack("<I4s", len(content), b"BIN\0") + content
    path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)


@pytest.mark.parametrize(
    ("options", "rgb"),
    [
        ({"colors": np.array([65535, 32896, 0], "u2")}, [255, 128, 0]),
        ({"colors": np.array([65535, 32896, 0, 65535], "u2")}, [255, 128, 0]),
        ({"colors": np.array([255, 128, 0], "u1"), "mode": 0}, [255, 128, 0]),
        ({"colors": np.array([1, 0.5, 0, 1], "f4"), "material": {"metallicFactor": 0.0}}, [255, 128, 0]),
        ({"material": {"baseColorFactor": [1.0, 0.5, 0.0, 1.0]}}, [255, 128, 0]),
        ({"colors": np.array([1, 1, 0.2], "f4"), "material": {"baseColorFactor": [1.0, 0.5, 0.0, 1.0]}}, [255, 128, 0]),
    ],
)
def test_colors_of_glb(tmp_path, options, rgb):
    pytest.importorskip("trimesh")
    write_glb(tmp_path / "a.glb", **options)
    cloud = read_cloud(tmp_path / "a.glb").cloud
    assert (np.abs(cloud.rgb.astype(int) - rgb) <= 1).all()
    assert len(cloud) == (4 if options.get("mode") == 0 else 5000)


def test_nodes_of_glb_are_placed(tmp_path):
    pytest.importorskip("trimesh")
    nodes = [{"children": [1, 2], "scale": [2, 2, 2]}, {"mesh": 0, "translation": [10, 0, 0]}, {"mesh": 0}]
    write_glb(tmp_path / "a.glb", np.array([1, 0, 0], "f4"), nodes=nodes)
    cloud = read_cloud(tmp_path / "a.glb").cloud
    assert len(cloud) == 40_000  # twice 2 m x 4 m, every 2 cm
    assert np.allclose(cloud.bounds, [[0, 0, 0], [22, 0, 4]], atol=0.02)
    assert (cloud.xyz[:, 0] > 19.9).mean() == 0.5


def test_gltf_that_would_be_read_wrongly_is_refused(tmp_path):
    pytest.importorskip("trimesh")
    write_glb(tmp_path / "a.glb", extensionsRequired=["EXT_meshopt_compression"])
    with pytest.raises(SpaceformerError, match=r"EXT_meshopt_compression.*export it without compression"):
        read_cloud(tmp_path / "a.glb")
    write_glb(tmp_path / "a.glb", extensionsRequired=["KHR_draco_mesh_compression"])
    with pytest.raises(SpaceformerError, match="pip install DracoPy"):
        read_cloud(tmp_path / "a.glb")
    write_glb(tmp_path / "a.glb", normalized=["POSITION"], positions=QUAD.astype("u2"))
    with pytest.raises(SpaceformerError, match="its POSITION are quantised: export it without compression"):
        read_cloud(tmp_path / "a.glb")


@pytest.mark.parametrize(
    ("text", "rgb"),
    [
        (OBJ.replace("\n", " 1.0 0.5 0.0\n"), [255, 128, 0]),
        (OBJ.replace("\n", " 255 128 0\n"), [255, 128, 0]),
        ("mtllib a.mtl\n" + OBJ + "usemtl plain\n", [0, 51, 255]),
        ("mtllib a.mtl\n" + OBJ + UV + "usemtl photo\n", [255, 128, 0]),
        ("mtllib a.mtl\n" + OBJ.replace("\n", " 1.0 0.5 0.0\n") + "usemtl plain\n", [255, 128, 0]),
        ("mtllib not_there.mtl\n" + OBJ.replace("\n", " 1.0 0.5 0.0\n") + "usemtl plain\n", [255, 128, 0]),
    ],
)
def test_colors_of_obj(tmp_path, text, rgb):
    pytest.importorskip("trimesh")
    write_materials(tmp_path)
    (tmp_path / "a.obj").write_text(text + ("f 1/1 2/2 3/3\nf 1/1 3/3 4/4\n" if "vt" in text else "f 1 2 3 4\n"))
    cloud = read_cloud(tmp_path / "a.obj").cloud
    assert len(cloud) == 5000
    assert (np.abs(cloud.rgb.astype(int) - rgb) <= 1).all()


def test_an_obj_of_several_materials(tmp_path):
    pytest.importorskip("trimesh")
    write_materials(tmp_path)
    faces = "usemtl photo\nf 1/1 2/2 3/3\nusemtl plain\nf 1/1 3/3 4/4\n"
    (tmp_path / "a.obj").write_text("mtllib a.mtl\n" + OBJ + UV + faces)
    cloud = read_cloud(tmp_path / "a.obj").cloud
    below = cloud.xyz[:, 2] < 2 * cloud.xyz[:, 0]
    assert (cloud.rgb[below] == [255, 128, 0]).all()
    assert (cloud.rgb[~below] == [0, 51, 255]).all()


def write_materials(folder):
    image = pytest.importorskip("PIL.Image")
    image.new("RGB", (8, 4), (255, 128, 0)).save(folder / "photo 1.png")
    (folder / "a.mtl").write_text("newmtl photo\nKd 1 1 1\nmap_Kd photo 1.png\nnewmtl plain\nKd 0 0.2 1\n")


@pytest.mark.parametrize("name", ["not_there.png", "/dev/zero", "pipe", "../outside.png"])
@pytest.mark.parametrize("place", ["mtllib {}\n", "map_Kd {}\n"])
def test_files_that_a_mesh_names(tmp_path, name, place):
    """Those that are not there are named, and no pipe, device or file of another folder is opened."""
    pytest.importorskip("trimesh")
    folder = tmp_path / "mesh"
    folder.mkdir()
    (tmp_path / "outside.png").write_bytes(b"")
    os.mkfifo(folder / "pipe")
    (folder / "a.mtl").write_text("newmtl m\nKd 1 1 1\n" + place.format(name))
    library = place.format(name) if place.startswith("mtllib") else "mtllib a.mtl\n"
    (folder / "a.obj").write_text(library + OBJ + UV + "usemtl m\nf 1/1 2/2 3/3\n")
    with pytest.raises(SpaceformerError, match=f"has no colour without the file '{name}': copy it beside the mesh"):
        read_cloud(folder / "a.obj")


def test_a_gltf_with_files_beside_it(tmp_path):
    trimesh = pytest.importorskip("trimesh")
    (tmp_path / "my textures").mkdir()
    write_materials(tmp_path / "my textures")
    quad = trimesh.Trimesh(QUAD, [[0, 1, 2], [0, 2, 3]], process=False)
    image = pytest.importorskip("PIL.Image").open(tmp_path / "my textures" / "photo 1.png")
    quad.visual = trimesh.visual.TextureVisuals(uv=QUAD[:, [0, 2]], image=image)
    for name, content in trimesh.exchange.gltf.export_gltf(trimesh.Scene(quad)).items():
        (tmp_path / name).write_bytes(content)
    document = json.loads((tmp_path / "model.gltf").read_text())
    document["images"] = [{"uri": "my%20textures/photo%201.png"}]
    (tmp_path / "model.gltf").write_text(json.dumps(document))
    cloud = read_cloud(tmp_path / "model.gltf").cloud
    assert (cloud.rgb == [255, 128, 0]).all()
    assert np.allclose(cloud.bounds, [[0, 0, 0], [1, 0, 2]], atol=0.02)


def test_too_large_a_texture_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    pytest.importorskip("trimesh")
    write_materials(tmp_path)
    monkeypatch.setattr(meshes, "MAX_PIXELS", 31)
    (tmp_path / "a.obj").write_text("mtllib a.mtl\n" + OBJ + UV + "usemtl photo\nf 1/1 2/2 3/3\n")
    with pytest.raises(SpaceformerError, match="a texture has 8 x 4 pixels; at most 31 are read"):
        read_cloud(tmp_path / "a.obj")
    pytest.importorskip("PIL.Image").new("RGB", (8, 4)).save(tmp_path / "photo 1.png", "GIF")
    with pytest.raises(SpaceformerError, match="a texture is GIF, expected JPEG, PNG"):
        read_cloud(tmp_path / "a.obj")


FACE_UV = ["3 0 1 2 6 0 0 1 0 1 1", "3 0 2 3 6 0 0 1 1 0 1"]


def write_textured(path, faces=FACE_UV, names=("photo.png",), vertex="", uv=(), texcoord=True):
    """A PLY as MeshLab writes it, of QUAD, with a texture whose upper half is red and whose lower half is blue."""
    image = pytest.importorskip("PIL.Image").new("RGB", (8, 8), (0, 0, 255))
    image.paste((255, 0, 0), (0, 0, 8, 4))
    image.save(path.parent / "photo.png")
    rows = [" ".join(map(str, [*place, *more])) for place, more in itertools.zip_longest(QUAD, uv, fillvalue=())]
    header = ["ply", "format ascii 1.0", "comment made by hand", *(f"comment TextureFile {name}" for name in names)]
    header += ["element vertex 4", *(f"property float {name}" for name in ["x", "y", "z", *vertex])]
    header += ["element face 2", "property list uchar int vertex_indices"]
    header += ["property list uchar float texcoord"] * texcoord
    path.write_text("\n".join([*header, "end_header", *rows, *faces, ""]))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "vertex": ["s", "t"],
            "uv": [(0, 0), (1, 0), (1, 1), (0, 1)],
            "faces": ["3 0 1 2", "3 0 2 3"],
            "texcoord": False,
        },
    ],
    ids=["of faces", "of vertices"],
)
def test_a_ply_with_a_texture_is_read_as_other_meshes(tmp_path, changes):
    pytest.importorskip("trimesh")
    write_textured(tmp_path / "a.ply", **changes)
    cloud = read_cloud(tmp_path / "a.ply").cloud
    assert len(cloud) >= 1000
    upper = cloud.xyz[:, 2] > 1
    assert (cloud.rgb[upper] == [255, 0, 0]).all()
    assert (cloud.rgb[~upper] == [0, 0, 255]).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"names": ["a.png", "b.png"]}, "textures, which cannot be read from this PLY: save it as OBJ or GLB"),
        ({"faces": ["3 0 1 9 0", "3 0 2 3 0"]}, "save it as OBJ or GLB"),
        ({"names": ["not_there.png"]}, "has no colour without the file 'not_there.png'"),
    ],
)
def test_a_ply_with_textures_that_cannot_be_read(tmp_path, caplog, changes, words):
    pytest.importorskip("trimesh")
    write_textured(tmp_path / "a.ply", **changes)
    with pytest.raises(SpaceformerError, match=words):
        read_cloud(tmp_path / "a.ply")
    assert not caplog.text  # trimesh's tracebacks


def test_colours_of_vertices_go_before_a_texture(tmp_path):
    colors = ["red", "green", "blue"]
    write_textured(tmp_path / "a.ply", vertex=colors, uv=[(9, 9, 9)] * 4, faces=["3 0 1 2 0", "3 0 2 3 0"])
    assert (read_cloud(tmp_path / "a.ply").cloud.rgb == 9).all()


# --- colour that is not there ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["ply", "pcd", "npz"])
def test_a_cloud_without_color_is_written_without(tmp_path, suffix):
    (tmp_path / "a.xyz").write_text("1 2 3\n4 5 6\n")
    cloud = read_cloud(tmp_path / "a.xyz", allow_gray=True).cloud
    write_cloud(tmp_path / f"b.{suffix}", cloud.turned("y"), {"label": np.array([1, 2])})
    with pytest.raises(SpaceformerError, match="no colour"):
        read_cloud(tmp_path / f"b.{suffix}")


def test_special_files_are_refused(tmp_path):
    for suffix in ("ply", "pcd", "npz", "csv", "npy"):
        (tmp_path / f"a.{suffix}").symlink_to("/dev/zero")
        with pytest.raises(SpaceformerError, match="not a regular file"):
            read_cloud(tmp_path / f"a.{suffix}")


@pytest.mark.parametrize("suffix", ["ply", "pcd", "npz"])
def test_a_full_disk_leaves_the_old_cloud(tmp_path, suffix, rng):
    path, link = tmp_path / f"a.{suffix}", tmp_path / f"link.{suffix}"
    write_cloud(path, Cloud(np.array(XYZ, dtype=np.float32), np.array(RGB, dtype=np.uint8)))
    link.symlink_to(path.name)
    large = Cloud(rng.normal(size=(2000, 3)).astype(np.float32), np.zeros((2000, 3), dtype=np.uint8))
    with full_disk(), pytest.raises(SpaceformerError, match=f"link.{suffix} cannot be written: File too large"):
        write_cloud(link, large)
    check(path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [path.name, link.name]
    write_cloud(link, large)
    assert len(read_cloud(path).cloud) == 2000
    assert link.is_symlink()


@pytest.mark.parametrize("suffix", ["ply", "pcd", "npz"])
def test_a_cloud_that_cannot_be_written_is_said(tmp_path, suffix):
    (tmp_path / "a.xyz").write_text("1 2 3 4 5 6\n")
    cloud = read_cloud(tmp_path / "a.xyz").cloud
    (tmp_path / f"full.{suffix}").symlink_to("/dev/full")
    with pytest.raises(SpaceformerError, match=f"full.{suffix} cannot be written: No space left on device"):
        write_cloud(tmp_path / f"full.{suffix}", cloud)
