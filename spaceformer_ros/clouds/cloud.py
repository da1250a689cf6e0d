# SPDX-License-Identifier: Apache-2.0
"""A coloured point cloud with its frame and stamp: the output of all readers and the input of the pipeline."""

from dataclasses import dataclass, replace

import numpy as np

from .. import SpaceformerError
from ..geometry.extent import inner_bounds
from ..geometry.floor import base_height
from ..geometry.transform import RigidTransform
from .origin import NO_ORIGIN

# Rotations that turn an axis to z: rows are the new x, y and z axes.
UPRIGHT = {
    "z": np.eye(3),
    "-z": np.array([[1, 0, 0], [0, -1, 0], [0, 0, -1]]),
    "y": np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]),  # many meshes and game engines
    "-y": np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]),  # camera optical frames
    "x": np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]]),
    "-x": np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]]),
}


@dataclass(frozen=True)
class Cloud:
    """N points with colours in one frame.

    xyz: [N, 3] float32 metres, finite, z up, in the cloud's local coordinates: those of its frame, unless `origin` and
        `up` say otherwise (see `placement`)
    rgb: [N, 3] uint8
    frame_id: the frame of the source, "" if unknown
    stamp_ns: nanoseconds since the epoch of the clock that stamped the cloud, 0 if unknown
    colored: False if the source had no colours: rgb is then grey and is not written to files or messages
    remarks: sentences for the user about ambiguities in how the source was read
    origin: (x, y, z) metres in the frame, where the local coordinates begin
    up: the axis of the frame that is the local z axis, a key of UPRIGHT
    source_up: the axis of the source that became the z axis of the frame, a key of UPRIGHT: see `turned`
    Raises SpaceformerError for a wrong shape or type.
    """

    xyz: np.ndarray
    rgb: np.ndarray
    frame_id: str = ""
    stamp_ns: int = 0
    colored: bool = True
    remarks: tuple = ()
    origin: tuple = NO_ORIGIN
    up: str = "z"
    source_up: str = "z"

    def __post_init__(self):
        for name, array, dtype in (("xyz", self.xyz, np.float32), ("rgb", self.rgb, np.uint8)):
            if array.dtype != dtype or array.ndim != 2 or array.shape[1] != 3:
                raise SpaceformerError(
                    f"Cloud: {name} is {array.dtype} {list(array.shape)}, expected {np.dtype(dtype)} [N, 3]"
                )
        if len(self.xyz) != len(self.rgb):
            raise SpaceformerError(f"Cloud: {len(self.xyz)} points but {len(self.rgb)} colours")

    def __len__(self):
        return len(self.xyz)

    def __getitem__(self, index):
        """The points selected by a mask, slice or index array, in the same frame."""
        return replace(self, xyz=self.xyz[index], rgb=self.rgb[index])

    @property
    def placement(self):
        """The RigidTransform of the local coordinates into the frame."""
        return RigidTransform(UPRIGHT[self.up].T, np.array(self.origin))

    @property
    def coordinates(self):
        """Key that is equal for clouds with comparable local coordinates."""
        return self.frame_id, self.up, self.origin

    def in_frame(self):
        """[N, 3] metres in the frame: float64 where there is an origin, else float32."""
        xyz = self.placement.apply(self.xyz)
        return xyz if self.origin != NO_ORIGIN else xyz.astype(np.float32)

    def at_origin(self, origin):
        """The same points in the same frame, relative to another origin (x, y, z)."""
        if origin == self.origin:
            return self
        shift = UPRIGHT[self.up] @ np.subtract(self.origin, origin)
        return replace(self, xyz=(self.xyz + shift).astype(np.float32), origin=origin)

    def turned(self, up):
        """The points in another frame: the one turned so that its axis `up` (a key of UPRIGHT) becomes z."""
        if up == "z":
            return self
        xyz = self.xyz @ UPRIGHT[up].astype(np.float32).T
        origin = tuple((UPRIGHT[up] @ self.origin).tolist())
        return replace(self, xyz=xyz, origin=origin, source_up=axis_before(up, self.source_up))

    def upright(self, up):
        """The same points in the same frame, with the frame's axis `up` (a key of UPRIGHT) as the local z axis."""
        return self if up == "z" else replace(self.turned(up), origin=self.origin, up=up, source_up=self.source_up)

    def axis_in_source(self, axis):
        """The axis of the source that is the axis `axis` of the local coordinates; both are keys of UPRIGHT."""
        return axis_before(axis_before(axis, self.up), self.source_up)

    @property
    def bounds(self):
        """Smallest and largest coordinate on each axis without strays (`inner_bounds`), two [3] float32 arrays in
        metres. Needs at least one point."""
        return inner_bounds(self.xyz)

    @property
    def floor_center(self):
        """[3] float32 metres: centre of the bounds in x and y and height of the floor, both without strays."""
        low, high = self.bounds
        return np.array([*(low + high)[:2] / 2, base_height(self.xyz[:, 2])], dtype=np.float32)

    @property
    def colors(self):
        """[N, 3] float32 in [-1, 1]: rgb / 127.5 - 1, the network's input."""
        return self.rgb.astype(np.float32) / 127.5 - 1


def axis_before(axis, up):
    """The axis that became the axis `axis` when `up` was turned to z; all are keys of UPRIGHT."""
    direction = UPRIGHT[up].T @ UPRIGHT[axis][2]
    return next(name for name, rotation in UPRIGHT.items() if np.array_equal(rotation[2], direction))
