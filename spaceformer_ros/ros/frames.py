# SPDX-License-Identifier: Apache-2.0
"""input_mode "rgbd": colour and depth images become voxels of a map in a fixed frame."""

import functools
from dataclasses import dataclass

from .. import SpaceformerError
from ..cameras.depth import DepthFrame
from ..cameras.fusion import DepthFusion
from ..cameras.model import CameraModel
from ..geometry.transform import IDENTITY
from .growing_map import GrowingMap
from .images import color_of, depth_of
from .transforms import TransformError, time_of


@dataclass(frozen=True)
class ImagePair:
    """Colour and depth of one camera at about the same time.

    camera: its namespace
    color, depth: Image or CompressedImage
    color_info, depth_info: CameraInfo, or None while none has come
    info_topics: names of the topics of both
    """

    camera: str
    color: object
    depth: object
    color_info: object
    depth_info: object
    info_topics: tuple


class Frames(GrowingMap):
    """A map of ImagePairs. What later images see through is removed."""

    MAX_QUEUE = 2  # waiting pairs of all cameras: newer ones show more than old ones

    def __init__(self, settings, *arguments):
        """As GrowingMap."""
        self._fusion = None
        super().__init__(settings, *arguments)

    def _insert(self, scan):
        config, header = self._settings.config, scan.depth.header
        frame_id = header.frame_id.lstrip("/")
        if not frame_id:
            raise SpaceformerError(f"camera {scan.camera}: the depth image has no frame_id; set it in the driver")
        stamp = time_of(header.stamp)
        pose = self._transforms.lookup(config.input.fixed_frame, frame_id, stamp, config.output.tf_timeout)
        frame = self._frame(scan, stamp)
        with self._changing(stamp.nanoseconds):
            if self._fusion is None:
                self._fusion = DepthFusion(self._map, config.camera)
            self._fusion.settings = config.camera
            self._fusion.add(frame, pose, stamp.nanoseconds * 1e-9, scan.camera)
            self._counters.voxels_removed = self._fusion.removed

    def _frame(self, pair, stamp):
        """The DepthFrame of an ImagePair. Raises SpaceformerError."""
        for info, topic in zip((pair.depth_info, pair.color_info), pair.info_topics):
            if info is None:
                raise TransformError(f"camera {pair.camera}: images, but no camera_info on {topic}: is it published?")
        try:
            depth_camera, color_camera = model_of(pair.depth_info), model_of(pair.color_info)
            aligned = depth_camera == color_camera and same_frame(pair.depth, pair.color)
            moved = IDENTITY if aligned else self._between(pair, stamp)
            color = None if aligned else color_camera
            return DepthFrame(depth_of(pair.depth), depth_camera, color_of(pair.color), color, moved)
        except SpaceformerError as error:
            raise type(error)(f"camera {pair.camera}: {error}") from error

    def _between(self, pair, stamp):
        """RigidTransform of the depth camera's optical frame into that of the colour camera."""
        timeout = self._settings.config.output.tf_timeout
        return self._transforms.lookup(pair.color.header.frame_id, pair.depth.header.frame_id, stamp, timeout)


def same_frame(one, other):
    """Whether two messages have the same frame_id."""
    return one.header.frame_id.lstrip("/") == other.header.frame_id.lstrip("/")


def model_of(info):
    """The CameraModel of a CameraInfo. Raises SpaceformerError for models that are not supported."""
    return _model(info.width, info.height, tuple(info.k), info.distortion_model, tuple(info.d))


@functools.lru_cache(maxsize=32)
def _model(width, height, k, model, coefficients):
    """Kept, because a CameraModel computes the rays of all its pixels once."""
    return CameraModel.from_calibration(width, height, k, model, coefficients)
