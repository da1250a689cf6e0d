# SPDX-License-Identifier: Apache-2.0
"""Simulation of an RGB-D camera: visibility, depth noise, missing depth, and changing colours.

A view is a subset of the surface points: those visible from the camera, displaced along their rays by the depth error.
Visibility is tested with depth buffers of several resolutions: near points are splatted into coarse ones, so that there
are no holes between them.
"""

import math
from dataclasses import dataclass

import numpy as np

WIDTH, HEIGHT, LEVELS = 128, 96, 5  # pixels of the finest depth buffer, halved at each level
SENSOR_WIDTH = 320  # pixels of a depth image along x
TILE = 0.5  # metres, side of the tiles that are culled as a whole


@dataclass(frozen=True)
class Sensor:
    """Properties of one camera.

    tan: tangents of half the field of view, (x, y);
    reach: (near, far) range of depth, metres;
    noise: factor on the depth noise;
    disparity_step: quantisation of the disparity, 1/m, 0 for none;
    flying: probability of a flying pixel at an edge;
    color_shift: factor on the colour differences between views.
    """

    tan: tuple
    reach: tuple
    noise: float
    disparity_step: float
    flying: float
    color_shift: float


@dataclass
class Observations:
    """M measured points.

    xyz: [M, 3] float32 metres in the map
    rgb: [M, 3] float32 in 0..255
    weight: [M] float32 for the fusion
    source: [M] int64 surface point
    flying: [M] bool, depth between an edge and the surface behind it
    """

    xyz: np.ndarray
    rgb: np.ndarray
    weight: np.ndarray
    source: np.ndarray
    flying: np.ndarray


def draw_sensor(rng, config):
    """A random Sensor within a RoomConfig: some have noisy depth in coarse steps, the others smooth depth."""
    tan = tuple(math.tan(math.radians(angle / 2)) * float(rng.uniform(0.92, 1.1)) for angle in config.field_of_view)
    coarse = rng.random() < config.coarse_depth
    step = float(rng.uniform(0.0018, 0.0032)) if coarse else max(0.0, float(rng.uniform(-0.0012, 0.0015)))
    noise = config.noise * (float(rng.uniform(1.0, 1.8)) if coarse else float(rng.uniform(0.5, 1.1)))
    near, far = config.camera_range
    far *= float(rng.uniform(0.75, 1.0))
    flying = float(rng.uniform(0.0, 0.12))
    return Sensor(tan, (near, far), noise, step * min(config.noise, 1.0), flying, config.color_shift)


def draw_drift(rng, count, size):
    """Pose errors along a path, as a random walk: offsets [count, 3] metres and yaw errors [count] radians."""
    decay, step = 0.95, size / math.sqrt(10)
    error = np.zeros((count, 4))
    for number in range(1, count):
        error[number] = decay * error[number - 1] + rng.normal(0, 1, 4) * [step, step, step * 0.4, step * 0.25]
    return error[:, :3], error[:, 3]


class Scanner:
    """Scans surfaces from many poses; the surfaces are sorted into tiles once."""

    def __init__(self, surfaces, spacing, sensor, rng):
        low = surfaces.xyz[:, :2].min(axis=0)
        tile = np.floor((surfaces.xyz[:, :2] - low) / TILE).astype(np.int64)
        key = (tile[:, 0] * (tile[:, 1].max() + 1) + tile[:, 1]).astype(np.int32)
        self.order = np.argsort(key, kind="stable")
        self.surfaces = surfaces[self.order]
        key = key[self.order]
        starts = np.flatnonzero(np.diff(key, prepend=-1))
        self.counts = np.diff(np.append(starts, len(key)))
        self.centers = low + (tile[self.order][starts] + 0.5) * TILE
        self.spacing, self.sensor = spacing, sensor
        self.lost = _never_measured(self.surfaces, rng)

    def view(self, pose, offset, yaw_error, rng):
        """Observations from a Pose, transformed to the map with a pose error: offset [3] metres, yaw_error radians."""
        chosen = self._candidates(pose)
        surfaces, sensor = self.surfaces, self.sensor
        axes = pose.axes.astype(np.float32)
        local = (surfaces.xyz[chosen] - np.asarray(pose.position, np.float32)) @ axes.T
        x, y, z = local.T
        tan_x, tan_y = (np.float32(value) for value in sensor.tan)
        inside = (z > 0.12) & (z < sensor.reach[1]) & (np.abs(x) < tan_x * z) & (np.abs(y) < tan_y * z)
        facing = -np.einsum("ij,ij->i", local, surfaces.normal[chosen] @ axes.T)
        kept = np.flatnonzero(inside & (facing > 0))
        chosen, local, z = chosen[kept], local[kept], z[kept]
        u, v = local[:, 0] / (tan_x * z), local[:, 1] / (tan_y * z)  # -1..1 in the picture
        cos = facing[kept] / np.sqrt(np.einsum("ij,ij->i", local, local))
        frame = _Frame(u, v, z, cos, self.spacing, sensor.tan[0])
        kept = np.flatnonzero(frame.visible & self._measured(chosen, z, cos, rng))
        chosen, local, z, u, v = chosen[kept], local[kept], z[kept], u[kept], v[kept]
        pixel = frame.pixel[kept]
        color = frame.bleed(surfaces.rgb, chosen, pixel, z, rng)
        depth, flying = frame.fly(pixel, z, self.sensor.flying, rng)
        depth = np.where(flying, depth, self._noisy(depth, u, v, rng))
        measured = local * (depth / z)[:, None]
        return Observations(
            _to_map(measured, pose, offset, yaw_error),
            _as_exposed(color, u, v, z, sensor.color_shift, rng),
            (1 / (0.3 + z * z)).astype(np.float32),
            self.order[chosen],
            flying,
        )

    def _candidates(self, pose):
        """Indices of the points in tiles that may be in view."""
        offset = self.centers - pose.position[:2]
        distance = np.hypot(offset[:, 0], offset[:, 1])
        heading = np.arctan2(offset[:, 1], offset[:, 0]) - pose.yaw
        heading = np.abs((heading + math.pi) % (2 * math.pi) - math.pi)
        steep = math.cos(pose.pitch) - self.sensor.tan[1] * abs(math.sin(pose.pitch))
        half = math.atan2(self.sensor.tan[0], max(steep, 0.05))
        reach = TILE * 0.71
        wide = np.arcsin(np.clip(reach / np.maximum(distance, reach), 0, 1))
        seen = (distance < self.sensor.reach[1] * 1.2 + reach) & (heading < half + wide + 0.05)
        return np.flatnonzero(np.repeat(seen, self.counts))

    def _measured(self, chosen, z, cos, rng):
        """[n] bool: whether depth is measured; less likely at grazing angles, on gloss, and near the range limits."""
        pixel = 2 * self.sensor.tan[0] / SENSOR_WIDTH * z
        chance = 1 - np.exp(-(self.spacing**2) * cos / pixel**2)
        chance *= np.clip((cos - 0.06) / 0.15, 0, 1) * (1 - 0.6 * self.surfaces.gloss[chosen])
        near, far = self.sensor.reach
        chance *= np.clip((z - near) / 0.1, 0, 1) * np.clip((far - z) / (0.35 * far), 0, 1) ** 0.3
        return (rng.random(len(z), dtype=np.float32) < chance) & ~self.lost[chosen]

    def _noisy(self, z, u, v, rng):
        """Depth with white noise, smooth distortion over the image, and disparity steps."""
        sigma = self.sensor.noise * (0.0012 + 0.0019 * (z - 0.4) ** 2)
        waves = np.zeros(len(z), dtype=np.float32)
        for _ in range(3):
            a, b, c = rng.normal(0, 4, 2).tolist() + [rng.uniform(0, 6.28)]
            waves += np.sin(np.float32(a) * u + np.float32(b) * v + np.float32(c))
        depth = z + sigma * (0.7 * rng.standard_normal(len(z), dtype=np.float32) + 0.5 * waves)
        if self.sensor.disparity_step:
            disparity = 1 / np.maximum(depth, 0.1)
            disparity += self.sensor.disparity_step * rng.uniform(-0.5, 0.5, len(z)).astype(np.float32) * 0.6
            step = np.float32(self.sensor.disparity_step)
            depth = 1 / np.maximum(np.rint(disparity / step) * step, 0.05)
        return depth


class _Frame:
    """Depth buffers of one view: visibility of its points, and effects at depth edges."""

    def __init__(self, u, v, z, cos, spacing, tan):
        near = 1.4 * spacing * WIDTH / (2 * tan)  # metres: beyond, a pixel is wider than the spacing
        level = np.clip(np.ceil(np.log2(near / z)), 0, LEVELS - 1).astype(np.int64)
        column = np.minimum(((u + 1) * (WIDTH / 2)).astype(np.int64), WIDTH - 1)
        row = np.minimum(((v + 1) * (HEIGHT / 2)).astype(np.int64), HEIGHT - 1)
        self.pixel = row * WIDTH + column
        nearest = np.full((HEIGHT >> (LEVELS - 1), WIDTH >> (LEVELS - 1)), np.inf, dtype=np.float32)
        threshold = np.empty(len(z), dtype=np.float32)
        for number in range(LEVELS - 1, -1, -1):
            width, height = WIDTH >> number, HEIGHT >> number
            if number < LEVELS - 1:
                nearest = nearest.repeat(2, axis=0).repeat(2, axis=1)
            mine = np.flatnonzero(level == number)
            index = (row[mine] >> number) * width + (column[mine] >> number)
            flat = np.ascontiguousarray(nearest.reshape(-1))
            np.minimum.at(flat, index, z[mine])
            threshold[mine] = flat[index]
            nearest = flat.reshape(height, width)
        self.depth = nearest.reshape(-1)
        footprint = z * (2 * tan / WIDTH) * (1 << level)
        slope = np.sqrt(np.maximum(1 - cos * cos, 0)) / np.maximum(cos, 0.05)
        self.visible = z <= threshold + np.minimum(0.02 + 0.8 * footprint * slope, 0.3)

    def _neighbour(self, pixel, rng, distance):
        """A random pixel at most `distance` pixels away from each."""
        step = rng.integers(-distance, distance + 1, (2, len(pixel)))
        column = np.clip(pixel % WIDTH + step[0], 0, WIDTH - 1)
        return np.clip(pixel // WIDTH + step[1], 0, HEIGHT - 1) * WIDTH + column

    def bleed(self, rgb, chosen, pixel, z, rng):
        """Colours [n, 3] where points beside a nearer edge often have its colour: depth and colour images are never
        aligned perfectly."""
        image = np.zeros((HEIGHT * WIDTH, 3), dtype=np.float32)
        front = z <= self.depth[pixel] + 0.02
        image[pixel[front]] = rgb[chosen[front]]
        color = rgb[chosen]
        beside = self._neighbour(pixel, rng, 1)
        nearer = np.flatnonzero((self.depth[beside] < z - 0.08) & (rng.random(len(z), dtype=np.float32) < 0.3))
        nearer = nearer[image[beside[nearer]].any(axis=1)]
        color[nearer] = image[beside[nearer]]
        return color

    def fly(self, pixel, z, probability, rng):
        """Depth [n] with flying pixels between edges and the surface behind, and which points fly, [n] bool."""
        behind = self.depth[self._neighbour(pixel, rng, 1)]
        edge = np.isfinite(behind) & (behind > z + 0.15)
        flying = edge & (rng.random(len(z), dtype=np.float32) < probability)
        far = np.where(flying, behind, z)
        return z + (far - z) * rng.uniform(0.1, 0.9, len(z)).astype(np.float32) * flying, flying


def _never_measured(surfaces, rng):
    """[N] bool: points on shiny or very dark surfaces without depth in all views, in patches of about 10 cm."""
    waves = np.zeros(len(surfaces.xyz), dtype=np.float32)
    for _ in range(3):
        wave = rng.normal(0, 14, 3).astype(np.float32)
        waves += np.sin(surfaces.xyz @ wave + np.float32(rng.uniform(0, 6.28)))
    dark = np.clip((38 - surfaces.rgb.max(axis=1)) / 38, 0, 1)
    chance = np.clip(surfaces.gloss * 1.1 + 0.25 * dark - 0.08, 0, 1)
    return 0.5 + 0.24 * waves + rng.normal(0, 0.12, len(waves)).astype(np.float32) < chance


def _to_map(local, pose, offset, yaw_error):
    """Camera coordinates -> map, with the pose that the robot estimates."""
    c, s = math.cos(yaw_error), math.sin(yaw_error)
    turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    axes = (pose.axes @ turn).astype(np.float32)
    return local @ axes + (np.asarray(pose.position) + offset).astype(np.float32)


def _as_exposed(rgb, u, v, z, strength, rng):
    """Colours of one view: automatic exposure, white balance, vignetting, noise that increases with distance."""
    if not len(rgb):
        return rgb
    exposure = (118 / max(20.0, float(rgb.mean()))) ** (0.2 * strength) * math.exp(strength * rng.normal(0, 0.04))
    gain = exposure * np.exp(strength * rng.normal(0, 0.025, 3))
    fall = strength * rng.uniform(0.0, 0.28)
    value = rgb * gain.astype(np.float32) * (1 - np.float32(fall) * (u * u + v * v) / 2)[:, None]
    value += rng.standard_normal((len(rgb), 3), dtype=np.float32) * (np.float32(strength) * (2 + 2 * z))[:, None]
    return np.clip(value, 0, 255)
