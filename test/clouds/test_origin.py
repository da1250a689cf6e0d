# SPDX-License-Identifier: Apache-2.0
"""Clouds far from the origin of their frame: a local origin keeps doubles exact."""

import dataclasses

import numpy as np
import pytest

from spaceformer_ros import SpaceformerError
from spaceformer_ros.clouds.change import ChangeDetector
from spaceformer_ros.clouds.cloud import UPRIGHT, Cloud
from spaceformer_ros.clouds.files import read_cloud, read_records, write_cloud
from spaceformer_ros.clouds.origin import MAX_LOCAL, local_origin
from spaceformer_ros.clouds.point_records import decode_records
from spaceformer_ros.clouds.selection import select_points
from spaceformer_ros.config import Config

UTM = np.array([500_000.123, 5_400_000.456, 300.789])


def records(xyz, kind="f8"):
    points = np.zeros(len(xyz), dtype=[*((axis, kind) for axis in "xyz"), ("rgb", "u1", (3,))])
    for axis, column in zip("xyz", xyz.T):
        points[axis] = column
    return points


@pytest.fixture
def xyz(rng):
    """[200, 3] float64 metres of a map of 20 m in UTM."""
    return rng.uniform(-10, 10, (200, 3)) + UTM


def test_a_utm_cloud_is_exact_and_small_in_memory(xyz):
    cloud = decode_records(records(xyz)).cloud
    assert cloud.origin == (499_712.0, 5_399_552.0, 0.0)
    assert np.abs(cloud.xyz).max() < MAX_LOCAL
    np.testing.assert_allclose(cloud.in_frame(), xyz, rtol=0, atol=5e-5)
    assert (cloud.xyz.dtype, cloud.in_frame().dtype) == (np.float32, np.float64)


def test_ordinary_maps_are_as_they_were(rng):
    xyz = rng.uniform(-8192, 8192, (200, 3))
    cloud = decode_records(records(xyz)).cloud
    assert cloud.origin == (0.0, 0.0, 0.0)
    assert np.array_equal(cloud.xyz, xyz.astype(np.float32))
    assert cloud.in_frame().dtype == np.float32


@pytest.mark.parametrize("suffix", ["ply", "pcd", "npz"])
def test_files_hold_and_give_the_same_doubles(xyz, tmp_path, suffix):
    cloud = decode_records(records(xyz)).cloud
    write_cloud(tmp_path / f"far.{suffix}", cloud)
    written = read_records(tmp_path / f"far.{suffix}")
    assert written["x"].dtype == np.float64
    np.testing.assert_allclose(written["y"], xyz[:, 1], rtol=0, atol=5e-5)
    again = read_cloud(tmp_path / f"far.{suffix}").cloud
    assert again.origin == cloud.origin
    assert np.array_equal(again.xyz, cloud.xyz)


@pytest.mark.parametrize(
    ("suffix", "header"),
    [
        (
            "ply",
            "ply\nformat ascii 1.0\nelement vertex 200\nproperty double x\nproperty double y\nproperty double z\n"
            "end_header\n",
        ),
        (
            "pcd",
            "VERSION .7\nFIELDS x y z\nSIZE 8 8 8\nTYPE F F F\nCOUNT 1 1 1\nWIDTH 200\nHEIGHT 1\nPOINTS 200\n"
            "DATA ascii\n",
        ),
        ("csv", "x,y,z\n"),
        ("xyz", ""),
    ],
)
def test_text_files_are_exact(xyz, tmp_path, suffix, header):
    path = tmp_path / f"far.{suffix}"
    rows = "\n".join(("," if suffix == "csv" else " ").join(f"{v:.4f}" for v in row) for row in xyz)
    path.write_text(header + rows + "\n")
    np.testing.assert_allclose(read_cloud(path, allow_gray=True).cloud.in_frame(), xyz, rtol=0, atol=1e-4)


def test_float32_that_is_too_coarse_is_refused_or_said(xyz):
    with pytest.raises(SpaceformerError, match=r"float32, whose values are 0.5 m apart at 5.40001e\+06 m.*use float64"):
        decode_records(records(xyz, "f4"))
    coarse = decode_records(records(xyz - UTM + (40_000, 0, 0), "f4")).cloud
    assert "0.0039 m apart at 40009" in coarse.remarks[0]
    assert decode_records(records(xyz - UTM + (9000, 0, 0), "f4")).cloud.remarks == ()


def test_doubles_with_the_digits_of_float32_are_refused_too(xyz, tmp_path):
    with pytest.raises(SpaceformerError, match=r"digits of float32 or fewer.* 0.5 m apart.*axis y.*all digits"):
        decode_records(records(xyz.astype(np.float32).astype(np.float64)))
    (tmp_path / "far.xyz").write_text("\n".join(" ".join(f"{v:g}" for v in row) for row in xyz))  # six digits, as C++
    with pytest.raises(SpaceformerError, match="digits of float32"):
        read_cloud(tmp_path / "far.xyz", allow_gray=True)
    with pytest.raises(SpaceformerError, match=r"0.51 m apart at 5.40001e\+06 m"):
        decode_records(records((1000 * xyz).astype(np.float32).astype(np.float64)), scale=0.001)
    assert decode_records(records(np.rint(1000 * xyz)), scale=0.001).cloud.remarks == ()  # integers of millimetres


def test_coordinates_are_scaled_before_anything_is_judged(xyz):
    cloud = decode_records(records(1000 * xyz), scale=0.001).cloud
    np.testing.assert_allclose(cloud.in_frame(), xyz, rtol=0, atol=5e-5)


def test_a_stray_point_does_not_move_the_origin(xyz):
    stray = np.vstack([xyz, (1e9, 0, 0)])
    assert decode_records(records(stray)).cloud.origin == decode_records(records(xyz)).cloud.origin


@pytest.mark.parametrize("up", UPRIGHT)
def test_upright_clouds_stay_in_their_frame_and_turned_ones_do_not(xyz, up):
    cloud = decode_records(records(xyz)).cloud
    upright, turned = cloud.upright(up), cloud.turned(up)
    np.testing.assert_allclose(upright.in_frame(), xyz, rtol=0, atol=5e-5)
    np.testing.assert_allclose(turned.in_frame(), xyz @ UPRIGHT[up].T, rtol=0, atol=5e-5)
    assert np.array_equal(upright.xyz, turned.xyz)
    axis = "xyz".index(up[-1])
    assert np.array_equal(upright.xyz[:, 2], cloud.xyz[:, axis] * (-1 if up[0] == "-" else 1))


@pytest.mark.parametrize("up", ["z", "-y", "x"])
def test_another_origin_changes_no_position(xyz, up):
    cloud = decode_records(records(xyz)).cloud.upright(up)
    moved = cloud.at_origin((500_736.0, 5_399_552.0, 1024.0))
    assert moved.origin == (500_736.0, 5_399_552.0, 1024.0)
    np.testing.assert_allclose(moved.in_frame(), xyz, rtol=0, atol=1e-4)


@pytest.mark.parametrize("up", ["z", "-y", "x"])
def test_roi_is_in_the_coordinates_of_the_frame(xyz, up):
    low, high = UTM - (3, 4, 5), UTM + (5, 4, 3)
    config = Config().with_values({"roi": [*low.tolist(), *high.tolist()]}).input
    kept, _ = select_points(decode_records(records(xyz)).cloud.upright(up), config)
    inside = ((xyz >= low) & (xyz <= high)).all(axis=1)
    np.testing.assert_allclose(kept.in_frame(), xyz[inside], rtol=0, atol=5e-5)


def test_a_map_with_another_origin_is_compared_at_the_same_positions(xyz):
    cloud, detector = decode_records(records(xyz)).cloud, ChangeDetector()
    detector.accept(cloud)
    assert detector.is_same(cloud.at_origin((500_736.0, 5_399_552.0, 0.0)), 0.01)
    assert not detector.is_same(dataclasses.replace(cloud, origin=(0.0, 0.0, 0.0)), 0.01)
    assert not detector.is_same(dataclasses.replace(cloud, frame_id="odom"), 0.01)


@pytest.mark.parametrize(
    ("low", "high", "origin"),
    [
        ((0, 0, 0), (8192, 1, 1), (0, 0, 0)),
        ((0, 0, 0), (8193, 1, 1), (4096, 0, 0)),
        ((-5.4e6, 0, 0), (-5.4e6 + 5, 5, 3), (-5_399_552, 0, 0)),
    ],
)
def test_origins_are_multiples_of_1024_m_and_only_where_needed(low, high, origin):
    assert local_origin(low, high) == origin


def test_a_cloud_without_origin_is_the_frame_itself():
    cloud = Cloud(np.ones((1, 3), np.float32), np.zeros((1, 3), np.uint8), "map")
    assert cloud.coordinates == ("map", "z", (0.0, 0.0, 0.0))
    assert (cloud.placement.rotation == np.eye(3)).all()
