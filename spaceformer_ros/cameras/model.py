# SPDX-License-Identifier: Apache-2.0
"""The geometry of a camera: pinhole with the distortion models plumb_bob and rational_polynomial.

Coordinates are those of the optical frame (REP 103): x right, y down, z forward, metres. Pixel (u, v) = (column, row);
integers are the centres of pixels, as in OpenCV and sensor_msgs/CameraInfo.
"""

import functools
import math
from dataclasses import dataclass, field

import numpy as np

from .. import SpaceformerError
from ..clouds.formats.pictures import MAX_PIXELS

NUM_COEFFICIENTS = {"plumb_bob": (4, 5), "rational_polynomial": (8,)}  # as in CameraInfo, `D`
NAMES_OF_NONE = ("", "none")  # distortion models that mean that the image is rectified
UNDISTORT_STEPS = 20  # fixed-point iterations; 10 reach 1e-4 pixel for lenses of 70 degrees
NEAR = 0.05  # metres; points nearer to the image plane are not projected
MAX_TANGENT = 4.0  # of the angle to the optical axis up to which the distortion is examined (76 degrees)
MAX_SIDE = 16384  # pixels
VIEW_DEGREES = 62.0  # horizontal field of view of a camera that is not given otherwise, about that of depth cameras


@dataclass(frozen=True)
class CameraModel:
    """Intrinsics of a camera.

    width, height: pixels
    fx, fy, cx, cy: pixels
    distortion: coefficients in the order of CameraInfo, k1 k2 p1 p2 [k3 [k4 k5 k6]]; empty for rectified images
    Raises SpaceformerError for values that no camera has.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple = field(default=())

    def __post_init__(self):
        if not (1 <= self.width <= MAX_SIDE and 1 <= self.height <= MAX_SIDE):
            raise SpaceformerError(f"camera: {self.width} x {self.height} pixels, expected sides of 1 to {MAX_SIDE}")
        if self.width * self.height > MAX_PIXELS:
            raise SpaceformerError(f"camera: {self.width} x {self.height} pixels, at most {MAX_PIXELS:,} are supported")
        values = (self.fx, self.fy, self.cx, self.cy, *self.distortion)
        if not (np.isfinite(values).all() and self.fx > 0 and self.fy > 0):
            raise SpaceformerError(
                f"camera: fx {self.fx}, fy {self.fy}, cx {self.cx}, cy {self.cy}, distortion {list(self.distortion)}: "
                "expected finite numbers and positive focal lengths; is the camera calibrated?"
            )

    @classmethod
    def from_calibration(cls, width, height, k, model, coefficients):
        """From the fields of a CameraInfo: K [9], distortion_model and D.

        Raises SpaceformerError for models other than plumb_bob and rational_polynomial, by their name.
        """
        coefficients = tuple(float(value) for value in coefficients)
        if len(k) != 9:
            raise SpaceformerError(f"camera: K has {len(k)} numbers, expected 9, row by row")
        if not any(coefficients) or model in NAMES_OF_NONE:
            coefficients = ()
        elif model not in NUM_COEFFICIENTS:
            raise SpaceformerError(
                f"camera: the distortion model {model!r} is not supported, expected one of "
                f"{', '.join(NUM_COEFFICIENTS)}: publish rectified images (image_proc) with their camera_info"
            )
        elif len(coefficients) not in NUM_COEFFICIENTS[model]:
            counts = " or ".join(map(str, NUM_COEFFICIENTS[model]))
            raise SpaceformerError(f"camera: {model} with {len(coefficients)} coefficients, expected {counts}")
        return cls(int(width), int(height), float(k[0]), float(k[4]), float(k[2]), float(k[5]), coefficients)

    @classmethod
    def of_view(cls, width=640, height=480, degrees=VIEW_DEGREES):
        """Without distortion, by the horizontal field of view. width, height: pixels; degrees: 1 to below 170."""
        if not 1 <= degrees < 170:
            raise SpaceformerError(f"a horizontal field of view of {degrees:g} degrees, expected 1 to below 170")
        focal = 0.5 * width / math.tan(math.radians(degrees) / 2)
        return cls(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)

    @property
    def rectified(self):
        """The same camera without distortion."""
        return CameraModel(self.width, self.height, self.fx, self.fy, self.cx, self.cy)

    def scaled(self, width, height):
        """The same lens with another number of pixels, such as of a resized image."""
        x, y = width / self.width, height / self.height
        cx, cy = (self.cx + 0.5) * x - 0.5, (self.cy + 0.5) * y - 0.5
        return CameraModel(width, height, self.fx * x, self.fy * y, cx, cy, self.distortion)

    def project(self, xyz):
        """Pixels [N, 2] and whether each point is in the image [N] bool. xyz: [N, 3] metres in the optical frame.

        Pixels of points that are not in the image mean nothing.
        """
        u, v, inside = self.project_axes(*np.asarray(xyz).T)
        return np.stack([u, v], axis=1), inside

    def project_axes(self, x, y, z):
        """As `project`, of one [N] array per axis: u [N], v [N], inside [N] bool."""
        front = z > NEAR
        depth = np.where(front, z, np.ones((), z.dtype))
        x, y = x / depth, y / depth
        if self.distortion:
            front &= x * x + y * y < self.max_tangent**2
            x, y = distort(x, y, self.distortion)
        u, v = x * self.fx + self.cx, y * self.fy + self.cy
        front &= (u > -0.5) & (u < self.width - 0.5) & (v > -0.5) & (v < self.height - 0.5)
        return u, v, front

    def unproject(self, pixels, depth):
        """Points [N, 3] metres in the optical frame. pixels: [N, 2]; depth: [N] metres along z."""
        pixels = np.asarray(pixels, dtype=np.float64)
        x, y = (pixels[:, 0] - self.cx) / self.fx, (pixels[:, 1] - self.cy) / self.fy
        x, y = undistort(x, y, self.distortion)
        return np.stack([x * depth, y * depth, np.asarray(depth, dtype=np.float64)], axis=1)

    @functools.cached_property
    def rays(self):
        """[2, height, width] float32: x / z and y / z of the ray through the centre of each pixel."""
        u, v = np.meshgrid(np.arange(self.width), np.arange(self.height))
        x, y = undistort((u - self.cx) / self.fx, (v - self.cy) / self.fy, self.distortion)
        return np.stack([x, y]).astype(np.float32)

    @functools.cached_property
    def tangents(self):
        """(left, top, right, bottom): smallest and largest x / z and y / z of the rays through the image's border."""
        u, v = np.linspace(-0.5, self.width - 0.5, 33), np.linspace(-0.5, self.height - 0.5, 33)
        border = [(u, v[0]), (u, v[-1]), (u[0], v), (u[-1], v)]
        pixels = np.concatenate([np.stack(np.broadcast_arrays(*side), axis=1) for side in border])
        x, y, _ = self.unproject(pixels, np.ones(len(pixels))).T
        return float(x.min()), float(y.min()), float(x.max()), float(y.max())

    @functools.cached_property
    def max_tangent(self):
        """Largest tangent of the angle to the optical axis up to which the distortion is monotonic.

        Beyond, polynomials turn back: points far outside the field of view would be drawn into the image.
        """
        radius = np.linspace(0.0, MAX_TANGENT, 2001)
        moved, _ = distort(radius, np.zeros_like(radius), self.distortion)
        turns = np.flatnonzero(~(np.diff(moved) > 0))
        return float(radius[turns[0]]) if len(turns) else MAX_TANGENT

    def rectify(self, image):
        """The image [H, W, ...] of the camera without distortion, by the nearest pixel; 0 outside the source."""
        check_size(self, image, "image")
        if not self.distortion:
            return image
        row, column, inside = self._source_pixels
        result = np.zeros_like(image)
        result[inside] = image[row[inside], column[inside]]
        return result

    @functools.cached_property
    def _source_pixels(self):
        """Row and column [H, W] in the distorted image of each pixel of the rectified one, and whether it exists."""
        x, y = self.rectified.rays
        u, v, inside = self.project_axes(x, y, np.ones_like(x))
        return np.rint(v).astype(np.int64), np.rint(u).astype(np.int64), inside


def distort(x, y, coefficients):
    """Distorted x, y of ideal x / z, y / z, of the same shape.

    OpenCV's model with up to 8 coefficients, which ROS calls plumb_bob and rational_polynomial:
    docs.opencv.org/4.x/d9/d0c/group__calib3d.html.
    """
    if not coefficients:
        return x, y
    k1, k2, p1, p2, k3, k4, k5, k6 = (*coefficients, *(0.0,) * (8 - len(coefficients)))
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    if k4 or k5 or k6:
        radial = radial / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
    across = 2 * x * y
    return x * radial + p1 * across + p2 * (r2 + 2 * x * x), y * radial + p1 * (r2 + 2 * y * y) + p2 * across


def undistort(x, y, coefficients):
    """Inverse of `distort`, by fixed-point iteration."""
    if not coefficients:
        return x, y
    ideal_x, ideal_y = x, y
    for _ in range(UNDISTORT_STEPS):
        moved_x, moved_y = distort(ideal_x, ideal_y, coefficients)
        ideal_x, ideal_y = ideal_x + (x - moved_x), ideal_y + (y - moved_y)
    return ideal_x, ideal_y


def check_size(camera, image, name):
    """Raise SpaceformerError unless an image [H, W, ...] has the size of its CameraModel. name: of the image."""
    if image.shape[:2] != (camera.height, camera.width):
        raise SpaceformerError(
            f"{name} has {image.shape[1]} x {image.shape[0]} pixels, its camera_info {camera.width} x {camera.height}: "
            "use the camera_info of the same topic namespace and resolution"
        )
