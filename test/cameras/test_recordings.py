# SPDX-License-Identifier: Apache-2.0
"""Recordings in every layout, and the command that fuses them."""

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from benchmarks.studies.pose_readings import w_first
from spaceformer_ros import SpaceformerError
from spaceformer_ros.cameras.model import CameraModel
from spaceformer_ros.cameras.recordings.open import open_recording
from spaceformer_ros.cameras.recordings.tum import pose_of_row
from spaceformer_ros.cameras.render import optical_pose
from spaceformer_ros.cli import main
from spaceformer_ros.clouds.files import read_cloud
from spaceformer_ros.geometry.transform import RigidTransform

SIZE = CameraModel(64, 48, 52.0, 52.0, 31.5, 23.5)
FLOOR = 1.2  # metres below the first camera
WALL = 3.0  # metres from the middle of the room
TILTED = RigidTransform(Rotation.from_euler("xyz", [100, 20, 30], degrees=True).as_matrix(), np.array([1.0, 2.0, 3.0]))


def make_poses(times):
    """Poses of a camera that moves and turns."""
    return [TILTED.after(optical_pose((0.4 * t, 0.1 * t, FLOOR - 0.1 * t), 0.4 * t, -0.2 - 0.1 * t)) for t in times]


POSES = make_poses(range(4))


def depth_image(camera, pose):
    """[H, W] uint16 millimetres of a floor and the walls of a room of 6 x 6 m around it, in the level frame."""
    level = TILTED.inverse.after(pose)
    x, y = camera.rays
    rays = np.stack([x, y, np.ones_like(x)], axis=-1) @ level.rotation.T
    with np.errstate(divide="ignore"):
        floor = np.where(rays[..., 2] < 0, -level.translation[2] / rays[..., 2], np.inf)
        walls = (WALL * np.sign(rays[..., :2]) - level.translation[:2]) / rays[..., :2]
    return np.rint(1000 * np.minimum(floor, walls.min(axis=2))).astype(np.uint16)


def write_frame(color, depth, camera, pose, scale=1, color_size=None):
    size = color_size or (camera.width, camera.height)
    Image.fromarray(np.full((size[1], size[0], 3), 120, dtype=np.uint8)).save(color)
    Image.fromarray((depth_image(camera, pose) * scale).astype(np.uint16)).save(depth)


def matrix(pose):
    return np.vstack([np.column_stack([pose.rotation, pose.translation]), [0, 0, 0, 1]])


def write_plain(folder, camera=SIZE, poses=POSES, scale=1):
    for name in ("color", "depth", "poses"):
        (folder / name).mkdir(parents=True)
    np.savetxt(folder / "intrinsics.txt", [[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    for number, pose in enumerate(poses):
        write_frame(folder / f"color/{number}.png", folder / f"depth/{number}.png", camera, pose, scale)
        np.savetxt(folder / f"poses/{number}.txt", matrix(pose))


def write_scannet(folder):
    for name in ("color", "depth", "pose", "intrinsic"):
        (folder / name).mkdir(parents=True)
    for kind, factor in (("depth", 1), ("color", 2)):
        wide = SIZE.scaled(64 * factor, 48 * factor)
        k = np.eye(4)
        k[0, 0], k[1, 1], k[:2, 2] = wide.fx, wide.fy, (wide.cx, wide.cy)
        np.savetxt(folder / f"intrinsic/intrinsic_{kind}.txt", k)
    for number, pose in enumerate(POSES):
        color, depth = folder / f"color/{number}.jpg", folder / f"depth/{number}.png"
        write_frame(color, depth, SIZE, pose, color_size=(128, 96))
        np.savetxt(folder / f"pose/{number}.txt", matrix(pose) if number else np.full((4, 4), -np.inf))


def write_seven_scenes(folder):
    from spaceformer_ros.cameras.recordings.numbered import SEVEN_SCENES_DEPTH

    folder.mkdir()
    for number, pose in enumerate(POSES):
        name = folder / f"frame-{number:06d}"
        write_frame(f"{name}.color.png", f"{name}.depth.png", SEVEN_SCENES_DEPTH, pose)
        np.savetxt(f"{name}.pose.txt", matrix(pose))


def write_tum(folder):
    (folder / "rgb").mkdir(parents=True)
    lists = {"rgb": ["# colour"], "depth": ["# depth"], "groundtruth": ["# tx ty tz qx qy qz qw"]}
    for number, pose in enumerate(POSES):
        stamp = 1305031102.16 + number / 30
        color, depth = f"rgb/{stamp:.6f}.png", f"rgb/d{stamp:.6f}.png"
        write_frame(folder / color, folder / depth, CameraModel(640, 480, 525.0, 525.0, 319.5, 239.5), pose, scale=5)
        lists["rgb"].append(f"{stamp + 0.004:.6f} {color}")
        lists["depth"].append(f"{stamp:.6f} {depth}")
        numbers = [*pose.translation, *Rotation.from_matrix(pose.rotation).as_quat()]
        lists["groundtruth"].append(f"{stamp - 0.003:.4f} " + " ".join(f"{number:.6f}" for number in numbers))
    lists["rgb"].append("1305031200.0 rgb/alone.png")
    lists["depth"].append("1305031200.5 rgb/alone.png")
    for name, lines in lists.items():
        (folder / f"{name}.txt").write_text("\n".join(lines))


WRITERS = {"plain": write_plain, "ScanNet": write_scannet, "7-Scenes": write_seven_scenes, "TUM RGB-D": write_tum}


@pytest.mark.parametrize("layout", WRITERS)
def test_points_of_every_layout_are_on_the_floor_and_the_wall(tmp_path, layout):
    from spaceformer_ros.cameras.depth import frame_points

    WRITERS[layout](tmp_path / "a")
    recording = open_recording(tmp_path / "a")
    assert recording.layout == layout
    assert len(recording.frames) == (3 if layout == "ScanNet" else 4)
    assert recording.unposed == (1 if layout in ("ScanNet", "TUM RGB-D") else 0)
    stamps = [frame.stamp for frame in recording.frames]
    assert np.allclose(np.diff(stamps), 1 / 30, atol=1e-5)
    for frame in recording.frames:
        xyz, rgb = frame_points(recording.load(frame), 0.3, 5.0, 2)
        level = TILTED.inverse.apply(frame.pose.apply(xyz))
        assert len(xyz) > 300
        wall = np.abs(np.abs(level[:, :2]) - WALL).min(axis=1)
        assert np.minimum(np.abs(level[:, 2]), wall).max() < 0.005
        assert (rgb == 120).all()


def test_fuse_writes_a_level_map(tmp_path, capsys):
    camera = SIZE.scaled(160, 120)
    write_plain(tmp_path / "a", camera)
    out = tmp_path / "map.ply"
    main(["fuse", str(tmp_path / "a"), "--out", str(out), "--voxel-size", "0.05", "--step", "1"])
    assert "4 frames" in capsys.readouterr().out
    xyz = read_cloud(out).cloud.xyz
    heights = xyz[:, 2]
    floor = np.abs(heights - np.quantile(heights, 0.2)) < 0.04
    assert floor.mean() > 0.3
    assert (heights < heights[floor].min() - 0.05).mean() < 0.01
    main(["fuse", str(tmp_path / "a"), "--out", str(out), "--voxel-size", "0.05", "--keep-frame"])
    level = TILTED.inverse.apply(read_cloud(out).cloud.xyz)
    assert (np.abs(level[:, 2]) < 0.05).mean() > 0.3


def test_damaged_pictures_cost_their_frames_only(tmp_path, capsys):
    write_plain(tmp_path / "a", SIZE.scaled(160, 120))
    (tmp_path / "a/depth/0.png").write_bytes(b"x")
    arguments = ["fuse", str(tmp_path / "a"), "--out", str(tmp_path / "new" / "map.ply"), "--voxel-size", "0.1"]
    main(arguments)
    said = capsys.readouterr()
    assert "1 frames cannot be used, the first: " in said.err
    assert "0.png cannot be read as a picture: it is none" in said.err
    assert len(read_cloud(tmp_path / "new" / "map.ply").cloud) > 100
    for path in list((tmp_path / "a/color").iterdir())[:3]:
        path.unlink()
    for path in (tmp_path / "a/color").iterdir():
        path.write_bytes(b"x")
    with pytest.raises(SystemExit):
        main(arguments)
    assert "cannot be read as a picture: it is none" in capsys.readouterr().err


def test_a_map_that_cannot_be_written_is_found_before_the_pictures_are_read(tmp_path, capsys):
    (tmp_path / "map.ply").mkdir()
    for out, words in (
        ("map.ply", "is a folder, expected the name of a file"),
        ("../proc/a/map.ply", "cannot be writ"),
    ):
        with pytest.raises(SystemExit):
            main(["fuse", "nowhere", "--out", str(tmp_path / out) if out[0] != "." else "/proc/a/map.ply"])
        assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    "form",
    [
        lambda m: m[:3],
        lambda m: m.reshape(1, 16),
        lambda m: m[:3].reshape(1, 12),
        lambda m: m.T,
        lambda m: m.T.reshape(1, 16),
    ],
)
def test_poses_may_be_three_rows_or_one_or_columns(tmp_path, form):
    write_plain(tmp_path / "a")
    for number, pose in enumerate(POSES):
        np.savetxt(tmp_path / f"a/poses/{number}.txt", form(matrix(pose)))
    recording = open_recording(tmp_path / "a")
    assert np.allclose([frame.pose.rotation for frame in recording.frames], [pose.rotation for pose in POSES])
    assert np.allclose([frame.pose.translation for frame in recording.frames], [pose.translation for pose in POSES])


@pytest.mark.parametrize("form", [lambda m: m.T, lambda m: m[:3].T, lambda m: m[:3].T.reshape(1, 12)])
def test_poses_by_columns_are_read_alike_where_one_has_no_translation(tmp_path, form):
    """A matrix without a translation is valid by rows and by columns."""
    write_plain(tmp_path / "a")
    start = POSES[1].translation
    for number, pose in enumerate(POSES):
        np.savetxt(
            tmp_path / f"a/poses/{number}.txt", form(matrix(RigidTransform(pose.rotation, pose.translation - start)))
        )
    frames = open_recording(tmp_path / "a").frames
    assert np.allclose([frame.pose.rotation for frame in frames], [pose.rotation for pose in POSES])
    assert np.allclose([frame.pose.translation + start for frame in frames], [pose.translation for pose in POSES])


def save_poses(folder, poses):
    for number, pose in enumerate(poses):
        np.savetxt(folder / f"poses/{number}.txt", matrix(pose), fmt="%.17g")


def test_poses_in_utm_give_an_exact_map(tmp_path):
    out, shift = tmp_path / "map.ply", np.array([500_000.0, 5_400_000.0, 100.0])
    write_plain(tmp_path / "a", SIZE.scaled(160, 120))
    arguments = ["fuse", str(tmp_path / "a"), "--out", str(out), "--voxel-size", "0.05"]
    for more in ([], ["--keep-frame"]):
        save_poses(tmp_path / "a", POSES)
        main([*arguments, *more])
        here = read_cloud(out).cloud
        save_poses(tmp_path / "a", [RigidTransform(pose.rotation, pose.translation + shift) for pose in POSES])
        main([*arguments, *more])
        there = read_cloud(out).cloud
        assert there.origin != (0.0, 0.0, 0.0)
        if more:
            assert np.allclose(there.in_frame() - shift, here.xyz, atol=1e-3)
        else:
            assert np.ptp(there.xyz, axis=0) == pytest.approx(np.ptp(here.xyz, axis=0), abs=0.05)


def test_one_pose_far_away_costs_its_frame_only(tmp_path, capsys):
    write_plain(tmp_path / "a", SIZE.scaled(160, 120))
    save_poses(tmp_path / "a", [RigidTransform(POSES[0].rotation, POSES[0].translation + 1e9), *POSES[1:]])
    arguments = ["fuse", str(tmp_path / "a"), "--out", str(tmp_path / "map.ply"), "--voxel-size", "0.05"]
    main(arguments)
    said = capsys.readouterr()
    assert "1 frames are left out: their poses are kilometres from those of the others" in said.err
    assert "plain: 3 frames" in said.out
    save_poses(tmp_path / "a", [RigidTransform(pose.rotation, pose.translation + 1e30) for pose in POSES])
    with pytest.raises(SystemExit):
        main(arguments)
    assert "the poses are 1e+30 m from the origin" in capsys.readouterr().err


@pytest.mark.parametrize("quaternion", ["1e300 1e300 0 1", "1e-300 0 0 0", "0 0 0 0", "nan 0 0 1"])
def test_quaternions_without_a_direction_are_no_pose(quaternion):
    assert pose_of_row(["1", "2", "3", *quaternion.split()]) is None
    assert pose_of_row(["1", "2", "3", "0", "0", "0", "2"]).rotation == pytest.approx(np.eye(3))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--voxel-size", "1e9"], "1e9 is above 1"),
        (["--depth-unit", "1000"], "1000 is above 1"),
    ],
)
def test_numbers_that_give_no_map_are_refused(tmp_path, capsys, arguments, words):
    with pytest.raises(SystemExit):
        main(["fuse", str(tmp_path / "a"), "--out", str(tmp_path / "map.ply"), *arguments])
    assert words in capsys.readouterr().err


def test_pictures_of_another_size_and_pipes_cost_their_frames_only(tmp_path, capsys):
    write_plain(tmp_path / "a", SIZE.scaled(160, 120), make_poses(np.linspace(0, 3, 6)))
    Image.fromarray(np.full((60, 80), 2000, np.uint16)).save(tmp_path / "a/depth/0.png")
    (tmp_path / "a/depth/4.png").unlink()
    os.mkfifo(tmp_path / "a/depth/4.png")
    header = struct.pack(">II", 20_000, 20_000) + b"\x10\0\0\0\0"
    chunk = b"IHDR" + header
    (tmp_path / "a/depth/5.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    )
    main(["fuse", str(tmp_path / "a"), "--out", str(tmp_path / "map.ply"), "--voxel-size", "0.05"])
    said = capsys.readouterr()
    assert "3 frames cannot be used, the first: the depth image has 80 x 60 pixels" in said.err
    assert "plain: 6 frames" in said.out


@pytest.mark.parametrize(("focal", "words"), [(0.0023, "0.0023 and 0.0023"), (0.0, "0 and 0"), (np.nan, "nan and")])
def test_focal_lengths_that_are_no_pixels_are_refused(tmp_path, focal, words):
    write_plain(tmp_path / "a")
    np.savetxt(tmp_path / "a/intrinsics.txt", [[focal, 0, SIZE.cx], [0, focal, SIZE.cy], [0, 0, 1]])
    with pytest.raises(SpaceformerError, match=rf"focal lengths of {words}.*in pixels"):
        open_recording(tmp_path / "a")


WRITTEN = {  # what is read of files in each reading
    "w-first": w_first,
    "world-to-camera": lambda pose: pose.inverse,
    "opengl": lambda pose: RigidTransform(pose.rotation * [1, -1, -1], pose.translation),
}


@pytest.mark.parametrize("reading", WRITTEN)
def test_poses_of_another_kind_are_noticed_and_read_when_asked(tmp_path, capsys, reading):
    write_plain(tmp_path / "a")
    out = tmp_path / "map.npz"
    arguments = ["fuse", str(tmp_path / "a"), "--out", str(out), "--voxel-size", "0.1", "--step", "1"]
    main(arguments)
    expected = read_cloud(out).cloud.xyz
    for number, pose in enumerate(POSES):
        np.savetxt(tmp_path / f"a/poses/{number}.txt", matrix(WRITTEN[reading](pose)))
    out.unlink()
    with pytest.raises(SystemExit):
        main(arguments)
    assert f"read as {reading} the same" in capsys.readouterr().err
    assert not out.exists()
    main([*arguments, "--poses", reading])
    assert "--poses" not in capsys.readouterr().err
    assert np.allclose(read_cloud(out).cloud.xyz, expected, atol=1e-4)
    main([*arguments, "--poses", "camera-to-world"])
    assert f"give --poses {reading}" in capsys.readouterr().err


def test_another_unit_of_depth_is_noticed_and_read_when_given(tmp_path, capsys):
    write_plain(tmp_path / "a", poses=make_poses(np.arange(0, 4, 0.25)), scale=0.2)
    out = tmp_path / "map.npz"
    arguments = ["fuse", str(tmp_path / "a"), "--out", str(out), "--voxel-size", "0.1", "--step", "1"]
    main(arguments)
    assert np.ptp(read_cloud(out).cloud.xyz[:, 2]) < 1.0
    assert "however they are read: check the unit of depth (--depth-unit)" in capsys.readouterr().err
    main([*arguments, "--depth-unit", "0.005"])
    assert not capsys.readouterr().err
    assert 1.5 < np.ptp(read_cloud(out).cloud.xyz[:, 2]) < 3.0


def test_intrinsics_and_colours_of_another_size_are_refused(tmp_path):
    """Read without them, all colours would be at wrong places."""
    write_scannet(tmp_path / "a")
    np.savetxt(tmp_path / "a/intrinsic/intrinsic_color.txt", [[208, 0, 127.5], [0, 208, 95.5], [0, 0, 1]])
    with pytest.raises(
        SpaceformerError, match=r"principal point at \(127.5, 95.5\), the pictures have 128 x 96 pixels"
    ):
        open_recording(tmp_path / "a")
    write_plain(tmp_path / "b")
    for path in (tmp_path / "b/color").iterdir():
        Image.new("RGB", (128, 72)).save(path)
    with pytest.raises(SpaceformerError, match=r"pictures of 128 x 72 in color/ are not aligned with 64 x 48"):
        open_recording(tmp_path / "b")


def test_models_of_colmap_are_named(tmp_path):
    (tmp_path / "sparse/0").mkdir(parents=True)
    (tmp_path / "sparse/0/cameras.bin").write_bytes(b"x")
    (tmp_path / "sparse/0/images.txt").write_text("1 0.6 0 0 -0.8 1 2 3 1 a.jpg\n")
    with pytest.raises(
        SpaceformerError, match="it is COLMAP's model, whose pictures have no depth: give its dense clo"
    ):
        open_recording(tmp_path)
    with pytest.raises(SpaceformerError, match="is not a folder: it is COLMAP's list of pictures"):
        open_recording(tmp_path / "sparse/0/images.txt")


def test_folders_that_are_no_recording_say_what_was_expected(tmp_path):
    with pytest.raises(SpaceformerError, match=r"groundtruth.txt.*intrinsics.txt"):
        open_recording(tmp_path)
    with pytest.raises(SpaceformerError, match="is not a folder"):
        open_recording(tmp_path / "none")
    write_plain(tmp_path / "a")
    (tmp_path / "a" / "intrinsics.txt").write_text("1 2\n3 x")
    with pytest.raises(SpaceformerError, match=r"intrinsics.txt: expected a matrix"):
        open_recording(tmp_path / "a")
    write_plain(tmp_path / "b")
    for path in (tmp_path / "b" / "poses").iterdir():
        path.unlink()
    with pytest.raises(SpaceformerError, match=r"no frame .* valid pose \(4 have none\)"):
        open_recording(tmp_path / "b")
