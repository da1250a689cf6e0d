# SPDX-License-Identifier: Apache-2.0
"""`spaceformer fuse`: a coloured map from posed colour and depth pictures."""

import sys
from dataclasses import replace

import numpy as np

from .. import SpaceformerError
from ..cameras.recordings.readings import DOCUMENTED, READINGS, doubt, read_poses_as
from ..config import CameraConfig, Config
from .options import count, file_name, number, results_file

LEVEL_PRIOR = 45.0  # degrees; z of the poses is taken as roughly up if the cameras were held upright within this


def add_arguments(parser):
    """Add the arguments of this command to an argparse parser."""
    use = CameraConfig()
    parser.add_argument(
        "folder", help="recording: TUM RGB-D, 7-Scenes, ScanNet, or color/, depth/, poses/, intrinsics.txt"
    )
    parser.add_argument(
        "--out", type=file_name, default="map.ply", help="the map: .ply, .pcd or .npz (default: %(default)s)"
    )
    parser.add_argument("--voxel-size", type=number(0.001, 1.0), default=0.02, help="metres (default: %(default)s)")
    parser.add_argument(
        "--max-voxels", type=count(1000), default=20_000_000, help="memory limit, 80 bytes each (default: %(default)s)"
    )
    parser.add_argument(
        "--near", type=number(), default=use.depth_near, help="metres, depth below is unused (default: %(default)s)"
    )
    parser.add_argument(
        "--far", type=number(), default=use.depth_far, help="metres, depth above is unused (default: %(default)s)"
    )
    parser.add_argument(
        "--step", type=count(1), default=use.depth_step, help="use every k-th row and column (default: %(default)s)"
    )
    parser.add_argument("--every", type=count(1), default=1, help="use every k-th frame (default: %(default)s)")
    parser.add_argument(
        "--carve-views",
        type=count(0),
        default=use.carve_views,
        help="views through a voxel that remove it; 0: nothing is removed (default: %(default)s)",
    )
    parser.add_argument(
        "--poses",
        choices=READINGS,
        help="what the poses are; opengl: camera-to-world with y up and z backwards, as of ARKit and NeRF; w-first: "
        f"camera-to-world with quaternions w, x, y, z (default: {DOCUMENTED}, unless the depth pictures contradict)",
    )
    parser.add_argument(
        "--depth-unit", type=number(1e-6, 1.0), help="metres of one unit of the depth pictures (default: of the layout)"
    )
    parser.add_argument(
        "--keep-frame", action="store_true", help="keep the frame of the poses, instead of turning the floor level"
    )


def run(options):
    """Fuse posed colour and depth pictures into a coloured map.

    What has gone while the pictures were taken is removed: voxels that several later views see through. The map is
    turned so that its floor is level, unless --keep-frame is given.
    """
    from tqdm import tqdm

    from ..cameras.fusion import DepthFusion
    from ..cameras.recordings.open import open_recording
    from ..cameras.recordings.recording import without_strays
    from ..clouds.accumulator import VoxelMapAccumulator
    from ..clouds.files import require_writer, write_cloud
    from ..clouds.origin import local_origin

    require_writer(options.out)
    out = results_file(options.out)
    use = camera_config(options)
    recording = open_recording(options.folder)
    recording = replace(recording, depth_scale=options.depth_unit or recording.depth_scale)
    recording, strays = without_strays(read_poses(recording, options.poses))
    fusion = DepthFusion(VoxelMapAccumulator(voxel_size=options.voxel_size, max_voxels=options.max_voxels), use)
    frames = recording.frames[:: options.every]
    unused = []
    for frame in tqdm(frames, unit="frame", disable=None):
        try:
            fusion.add(recording.load(frame), frame.pose, frame.stamp)
        except SpaceformerError as error:  # one damaged picture must not cost the map
            unused.append(str(error))
    if len(unused) == len(frames):
        raise SpaceformerError(f"none of {len(frames)} frames can be used: {unused[0]}")
    if not len(fusion.map):
        raise SpaceformerError(
            f"{options.folder}: no depth between {use.depth_near:g} and {use.depth_far:g} m: check --near and --far"
        )
    origin = local_origin(fusion.map.origin, fusion.map.origin)
    cloud, turned = fusion.map.snapshot("map", origin=origin).cloud, ""
    if not options.keep_frame:
        cloud, angle = levelled(cloud, [frame.pose for frame in frames])
        turned = f", turned by {angle:.1f} degrees to a level floor"
    write_cloud(out, cloud)
    without = f" ({recording.unposed} have no pose)" if recording.unposed else ""
    if strays:
        print(
            f"spaceformer: {strays} frames are left out: their poses are kilometres from those of the others",
            file=sys.stderr,
        )
    if unused:
        print(f"spaceformer: {len(unused)} frames cannot be used, the first: {unused[0]}", file=sys.stderr)
    print(
        f"{recording.layout}: {len(frames)} frames{without}, {len(cloud)} points, {fusion.removed} seen through and "
        f"removed{turned}; {out}"
    )


def read_poses(recording, reading):
    """The Recording with its poses read as one of READINGS; None: as documented.

    What the depth pictures say against it is printed. Raises SpaceformerError if they agree with another reading, and
    nobody asked for this one.
    """
    found = doubt(recording, reading or DOCUMENTED)
    if found and found.better and reading is None:
        raise SpaceformerError(str(found))
    if found:
        print(f"spaceformer: {found}", file=sys.stderr)
    return read_poses_as(recording, reading or DOCUMENTED)


def camera_config(options):
    """The CameraConfig of the options. Raises SpaceformerError."""
    values = {"depth_near": options.near, "depth_far": options.far, "depth_step": options.step}
    return Config().with_values({**values, "carve_views": options.carve_views}).camera


def levelled(cloud, poses):
    """The Cloud turned about its origin so that its floor is level, and the angle of the turn in degrees.

    Cameras are mostly held upright, which gives the rough direction; the floor gives the exact one.
    """
    from ..geometry.vectors import unit_vectors
    from ..segment.levelling import rotation_to, upward_direction

    upright = unit_vectors(-np.mean([pose.rotation[:, 1] for pose in poses], axis=0)[None])[0]
    rough = np.eye(3) if upright[2] > np.cos(np.radians(LEVEL_PRIOR)) else turn_upwards(upright)
    up = upward_direction(cloud.xyz @ rough.T)
    rotation = rotation_to(up) @ rough
    angle = np.degrees(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1)))
    return replace(cloud, xyz=(cloud.xyz @ rotation.T).astype(np.float32)), float(angle)


def turn_upwards(up):
    """[3, 3] shortest rotation that turns the unit vector `up` to the z axis."""
    from scipy.spatial.transform import Rotation

    return Rotation.align_vectors([[0.0, 0.0, 1.0]], [up])[0].as_matrix()
