# SPDX-License-Identifier: Apache-2.0
"""Remarks on clouds that are not plausible as an indoor map in metres with z up."""

import dataclasses
import re

import numpy as np
import pytest
from helpers.paths import ROOT

from benchmarks.studies.plausibility import (
    colored_by_height,
    high,
    intensities,
    noisy_intensities,
    sepia,
    stacked,
    with_reflections,
)
from spaceformer_ros.clouds.cloud import UPRIGHT, Cloud
from spaceformer_ros.clouds.files import read_cloud
from spaceformer_ros.clouds.heights import likely_up, split_storeys
from spaceformer_ros.clouds.plausibility import plausibility_remarks
from spaceformer_ros.grids.keys import cell_keys
from spaceformer_ros.segment.alignment import shows_table_top
from spaceformer_ros.synthetic import make_room

VOXEL = 0.05
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="module")
def rooms():
    return [make_room(seed).cloud for seed in (7, 400_001, 400_002)]


def moved(cloud, xyz):
    return dataclasses.replace(cloud, xyz=np.ascontiguousarray(xyz, dtype=np.float32))


def thinned(cloud, cell):
    return cloud[np.unique(cell_keys(cloud.xyz, cell), return_index=True)[1]]


@pytest.mark.slow
def test_plausible_maps_have_no_remarks(rooms):
    assert [plausibility_remarks(cloud, VOXEL) for cloud in rooms] == [()] * len(rooms)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda cloud: moved(cloud, cloud.xyz * 1000), "set input_scale to 0.001"),
        (lambda cloud: moved(cloud, cloud.xyz * 100), "set input_scale to 0.01"),
        (lambda cloud: moved(cloud, cloud.xyz / 0.0254), "set input_scale to 0.0254"),
        (lambda cloud: moved(cloud, cloud.xyz * 0.4), "its scale is wrong"),
        (lambda cloud: moved(cloud, cloud.xyz * (1, -1, -1)), "z does not (look like|point up).*set input_up to -z "),
        (lambda cloud: moved(cloud, cloud.xyz @ [[1, 0, 0], [0, 0, 1], [0, -1, 0]]), "set input_up to -y "),
        (lambda cloud: moved(cloud, cloud.xyz[:, [2, 0, 1]]), "set input_up to x "),
        (lambda cloud: thinned(cloud, 0.2), "publish a denser map"),
        (lambda cloud: thinned(cloud, 0.12), "publish a denser map"),
        (lambda cloud: dataclasses.replace(cloud, rgb=np.full_like(cloud.rgb, 128)), "one colour only"),
        (intensities, "shades of one hue only, as from an intensity"),
        (noisy_intensities, "shades of one hue only"),
        (lambda cloud: sepia(dataclasses.replace(cloud, rgb=cloud.rgb // 2)), "shades of one hue only"),
        (colored_by_height, "colours are a scale of the height .100% of"),
    ],
    ids=[
        "millimetres",
        "centimetres",
        "inches",
        "0.4 scale",
        "upside down",
        "camera",
        "on its side",
        "sparse",
        "a point every 0.12 m",
        "grey",
        "intensities",
        "noisy intensities",
        "sepia",
        "colours of the height",
    ],
)
def test_implausible_clouds_are_reported_with_advice(rooms, change, text):
    for cloud in rooms:
        remarks = plausibility_remarks(change(cloud), VOXEL)
        assert len(remarks) == 1
        assert re.search(text, str(remarks[0]))


@pytest.mark.slow
def test_storeys_are_judged_one_by_one(rooms):
    """A building of two storeys is plausible, and noticed on its side, upside down and in feet."""
    house = stacked(rooms[1], rooms[0])
    assert len(split_storeys(house.xyz)) == 2
    assert plausibility_remarks(house, VOXEL) == ()
    for up in set(UPRIGHT) - {"z"}:
        (remark,) = plausibility_remarks(moved(house, house.xyz @ UPRIGHT[up]), VOXEL)
        assert f"set input_up to {up} " in str(remark)
    for cloud in (house, rooms[2]):
        (remark,) = plausibility_remarks(moved(cloud, cloud.xyz / 0.3048), VOXEL)
        assert re.search("furniture as high as if it were in feet: .*set input_scale to 0.3048", str(remark))


@pytest.mark.slow
def test_a_high_hall_is_not_in_feet(rooms):
    for cloud in rooms:
        assert plausibility_remarks(high(cloud), VOXEL) == ()


@pytest.mark.slow
def test_what_is_proposed_makes_the_map_plausible(rooms):
    for up in UPRIGHT:
        cloud = moved(rooms[0], rooms[0].xyz @ UPRIGHT[up])[::4]  # as a map whose axis `up` points up
        assert plausibility_remarks(cloud.upright(up), VOXEL) == ()
        lying = {"z": cloud, "-y": cloud.turned("-y"), "x": cloud.upright("x")}  # as it is, with --up, with input_up
        for wrong in lying.keys() - {up}:
            (remark,) = plausibility_remarks(lying[wrong], VOXEL)
            assert f"set input_up to {up} (--up={up} for files)" in str(remark)
            assert f"{wrong} does not" in str(remark)


@pytest.mark.parametrize("up", UPRIGHT)
def test_furniture_shows_what_is_up_where_the_ceiling_is_as_complete_as_the_floor(rng, up):
    size, xyz = (4.0, 5.0, 2.5), rng.uniform(0, 1, (60_000, 3))
    xyz[:45_000][np.arange(45_000), np.arange(45_000) % 3] = np.arange(45_000) % 2  # the six sides
    xyz[45_000:] = (0.3, 0.3, 0) + xyz[45_000:] * (0.4, 0.3, 0.3)  # a bed or table
    cloud = Cloud(np.zeros((60_000, 3), np.float32), rng.integers(0, 256, xyz.shape, dtype=np.uint8))
    cloud = moved(cloud, (xyz * size) @ UPRIGHT[up])
    assert likely_up(cloud)[0] == up
    assert [f"set input_up to {up} " in str(remark) for remark in plausibility_remarks(cloud, VOXEL)] == [True] * (
        up != "z"
    )


def test_the_wall_in_front_of_a_camera_is_no_floor(rng):
    ray = rng.uniform((-0.6, -0.5, 1), (0.6, 0.5, 1), (60_000, 3))  # x right, y down, z forward
    depth = np.minimum(4, 1.2 / np.maximum(ray[:, 1], 1e-9))  # a wall, and a floor 1.2 m below the camera
    view = Cloud(np.zeros((60_000, 3), np.float32), rng.integers(0, 256, ray.shape, dtype=np.uint8))
    view = moved(view, ray * depth[:, None])
    assert likely_up(view)[0] == likely_up(view.upright("x"))[0] == "-y"
    assert plausibility_remarks(view.upright("-y"), VOXEL) == plausibility_remarks(view.turned("-y"), VOXEL) == ()
    assert "set input_up to -y (--up=-y for files)" in str(plausibility_remarks(view, VOXEL)[0])


def test_a_map_without_a_floor_is_reported(rng):
    walls = [
        rng.uniform(low, high, (5000, 3)) for low, high in (((0, 0, 0), (6, 0.05, 2.5)), ((0, 0, 0), (0.05, 5, 2.5)))
    ]
    ceiling = rng.uniform((0, 0, 2.45), (6, 5, 2.5), (20_000, 3))
    xyz = np.concatenate([*walls, ceiling]).astype(np.float32)
    (remark,) = plausibility_remarks(Cloud(xyz, rng.integers(0, 256, xyz.shape, dtype=np.uint8)), VOXEL)
    assert remark.text.startswith("no floor was found")


@pytest.mark.slow
@pytest.mark.parametrize("depth", [0.3, 2.5])
def test_reflections_below_the_floor_do_not_hide_it(rooms, depth):
    for cloud in rooms:
        assert plausibility_remarks(with_reflections(cloud, depth), VOXEL) == ()


@pytest.mark.slow
def test_furniture_is_rarely_taken_for_a_floor(rooms):
    without = [cloud[cloud.xyz[:, 2] > np.percentile(cloud.xyz[:, 2], 0.5) + 0.1] for cloud in rooms]
    noticed = ["no floor was found" in " ".join(map(str, plausibility_remarks(cloud, VOXEL))) for cloud in without]
    assert sum(noticed) >= len(rooms) - 1


def test_a_table_top_may_be_small_and_rooms_may_not(rng):
    flat = rng.uniform((0, 0, 0), (1.5, 1.2, 0.01), (60_000, 3))
    things = rng.uniform((0.3, 0.3, 0), (0.5, 0.6, 0.3), (5_000, 3))
    xyz = np.concatenate([flat, things]).astype(np.float32)
    cloud = Cloud(xyz, rng.integers(0, 256, xyz.shape, dtype=np.uint8))
    assert shows_table_top(cloud.xyz, VOXEL)
    assert plausibility_remarks(cloud, VOXEL, is_table_top=True) == ()
    assert "set input_scale" in str(plausibility_remarks(cloud, VOXEL)[0])
    assert not shows_table_top(cloud.xyz / 1000, VOXEL)  # scaled down twice
    (remark,) = plausibility_remarks(moved(cloud, xyz * 30), VOXEL, is_table_top=True)
    assert re.search("denser map.*9 m high. Then set input_scale", str(remark))


@pytest.mark.parametrize(
    "extent", [(1, 1, 1e4), (1, 1, 1e12), (1, 1e30, 1), (1e12, 1e12, 1), (0, 0, 0), (5, 0, 0), (0, 0, 5)]
)
@pytest.mark.parametrize("up", ["z", "x"])
def test_points_of_any_extent_are_judged_at_once(rng, extent, up):
    xyz = (rng.random((3000, 3)) * extent).astype(np.float32)
    xyz[:3] = 1e30
    cloud = Cloud(xyz, rng.integers(0, 256, xyz.shape, dtype=np.uint8))
    remarks = plausibility_remarks(cloud.turned(up), VOXEL)
    assert remarks or max(extent) == 5


def test_of_few_points_only_the_spacing_is_checked(rng):
    xyz = rng.uniform(0, 0.5, (999, 3)).astype(np.float32)  # no room
    cloud = Cloud(xyz, np.zeros(xyz.shape, dtype=np.uint8))
    assert plausibility_remarks(cloud, VOXEL) == ()
    (remark,) = plausibility_remarks(moved(cloud, cloud.xyz * 8), VOXEL)
    assert "denser map" in str(remark)
    assert "has only 49 points" in str(plausibility_remarks(cloud[:49], VOXEL)[0])


@pytest.mark.parametrize(
    ("name", "up", "plausible"),
    [("slambook2_livingroom_fused.ply", "z", True), ("office1.pcd", "z", False), ("office1.pcd", "-y", True)],
)
def test_real_clouds(name, up, plausible):
    if not (SHARED / name).is_file():
        pytest.skip(f"{name} is not next to the repository")
    assert (plausibility_remarks(read_cloud(SHARED / name).cloud.turned(up), VOXEL) == ()) == plausible
