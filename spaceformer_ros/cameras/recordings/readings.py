# SPDX-License-Identifier: Apache-2.0
"""What the numbers of poses mean, judged by the depth pictures: from the right poses they show the same surfaces.

Recordings have poses of the camera in the map or of the map in the camera, the camera's axes are those of OpenCV or of
OpenGL, and quaternions end or begin with w. Read in another way, the files are valid and the map is wrong.
`benchmarks/studies/pose_readings.py` measures how often this is noticed.
"""

import contextlib
import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from ... import SpaceformerError
from ...geometry.transform import RigidTransform
from ..images import read_depth
from ..model import check_size

OPENGL = RigidTransform(np.diag([1.0, -1.0, -1.0]), np.zeros(3))  # its camera frame: x right, y up, z backwards


def _with_w_first(pose):
    """A pose whose quaternion was read as x, y, z, w and is w, x, y, z."""
    w, x, y, z = Rotation.from_matrix(pose.rotation).as_quat()
    return RigidTransform(Rotation.from_quat([x, y, z, w]).as_matrix(), pose.translation)


READINGS = {  # name -> function of a pose as it is in the file; the pose of the optical frame in the map
    "camera-to-world": lambda pose: pose,
    "world-to-camera": lambda pose: pose.inverse,
    "opengl": lambda pose: pose.after(OPENGL),
    "w-first": _with_w_first,
}
DOCUMENTED = "camera-to-world"  # of all layouts
PAIRS = 15  # of frames, spread over the recording
FEWEST = 3  # pairs that say anything
WITHIN = 300  # frames, in which the other one of a pair is looked for
MOVED = 0.25  # of the distance of points, by which they move in the camera between the frames of a pair
PIXELS = 2000  # of each picture
SAME = 0.05  # share of the depth by which one surface differs in two pictures, with errors of depth and pose
AGREEING = 0.25  # share of the pixels that agree from the right poses, also where pictures were taken a second apart
CLEARLY = 1.5  # times as many as with the given reading,
MOSTLY = 0.75  # in this share of the pairs
STRANGE = 0.15  # less agree from no reading of the poses of a recording whose frames follow each other closely


@dataclass(frozen=True)
class Doubt:
    """The depth pictures contradict the poses.

    better: name of the reading that they agree with, "" if there is none
    share, better_share: of the pixels, that agree with the given reading and with the best one
    """

    better: str
    share: float
    better_share: float

    def __str__(self):
        found = f"from these poses the depth pictures show different surfaces ({self.share:.0%} of the pixels agree)"
        if self.better:
            return f"{found}, read as {self.better} the same ({self.better_share:.0%}): give --poses {self.better}"
        return (
            f"{found}, however they are read: check the unit of depth (--depth-unit) and the intrinsics, and whether "
            "poses and pictures belong together"
        )


def read_poses_as(recording, reading):
    """The Recording with its poses read as one of READINGS."""
    frames = [replace(frame, pose=READINGS[reading](frame.pose)) for frame in recording.frames]
    return replace(recording, frames=frames)


def doubt(recording, reading=DOCUMENTED):
    """A Doubt if another of READINGS explains the depth pictures clearly better than the given one, or if none does;
    otherwise None.

    recording: Recording with the poses as they are in the files
    """
    pairs = list(_pairs(recording))
    if len(pairs) < FEWEST:
        return None
    shares, are_close = (np.array(column) for column in zip(*pairs, strict=True))
    names, typical = list(READINGS), np.median(shares, axis=0)
    given, best = names.index(reading), typical.argmax()
    clearly = shares[:, best] > CLEARLY * shares[:, given]
    if typical[best] >= AGREEING and clearly.mean() >= MOSTLY:
        return Doubt(names[best], typical[given], typical[best])
    if typical[best] < STRANGE and are_close.mean() >= MOSTLY:
        return Doubt("", typical[given], typical[best])
    return None


def _pairs(recording):
    """Of up to PAIRS pairs of frames: the share of the measured pixels that agree with each of READINGS, and whether
    the frames between them are so close that the pictures overlap."""
    frames = recording.frames
    for number in np.unique(np.linspace(0, len(frames) - 1, PAIRS).astype(int)):
        with contextlib.suppress(SpaceformerError):  # a damaged picture
            xyz = _points(recording, frames[number])
            if not len(xyz):
                continue
            for gap, frame in enumerate(frames[number + 1 : number + 1 + WITHIN]):
                moved = _seen_from(xyz, frames[number], frame)
                if _motion(xyz, moved) > MOVED:
                    depth = read_depth(frame.depth, recording.depth_scale)
                    check_size(recording.camera, depth, "the depth image")
                    yield [_agreeing(points, depth, recording.camera) for points in moved], gap > 0
                    break


def _points(recording, frame):
    """[P, 3] metres in the optical frame: up to PIXELS pixels of a depth picture, evenly spread."""
    depth = read_depth(frame.depth, recording.depth_scale)
    check_size(recording.camera, depth, "the depth image")
    step = max(1, math.ceil(math.sqrt(depth.size / PIXELS)))
    x, y = recording.camera.rays[:, ::step, ::step]
    z = depth[::step, ::step]
    return np.stack([x * z, y * z, z], axis=-1)[z > 0]


def _seen_from(xyz, first, second):
    """[READINGS, P, 3] metres: points of one frame in the optical frame of another, with each reading of both poses."""
    return np.array([read(second.pose).inverse.after(read(first.pose)).apply(xyz) for read in READINGS.values()])


def _motion(xyz, moved):
    """How far points move in the camera between two frames, as share of their distance; the least of all readings."""
    return np.linalg.norm(moved - xyz, axis=2).mean(axis=1).min() / np.linalg.norm(xyz, axis=1).mean()


def _agreeing(xyz, depth, camera):
    """Share of points, in the optical frame of a depth picture, that are where it measured a surface."""
    pixels, inside = camera.project(xyz)
    column, row = np.rint(pixels[inside]).astype(np.int64).T
    measured, z = depth[row, column], xyz[inside, 2]
    return (np.abs(measured - z) < SAME * measured).sum() / len(xyz)
