# SPDX-License-Identifier: Apache-2.0
"""Lighting of surfaces: lamps, windows, ambient light, soft shadows below furniture; and a camera's colour errors."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

SHADOW_CELL = 0.06  # metres, cell of the height map that shadows are computed from
SHADOW_STEP = 0.15  # metres between its levels


@dataclass(frozen=True)
class Lamp:
    """A light source: position [3] metres; strength: 1 lights a facing surface nearby as much as the ambient light."""

    position: tuple
    strength: float


def draw_lamps(rng, plans, things):
    """Ceiling lamps and windows of the building as light sources; at least one per room."""
    lamps = []
    for plan in plans:
        x0, y0, x1, y1 = plan.bounds
        center = ((x0 + x1) / 2 + rng.normal(0, 0.5), (y0 + y1) / 2 + rng.normal(0, 0.5), plan.height - 0.2)
        lamps.append(Lamp(center, rng.uniform(0.15, 0.8)))
    for thing in things:
        if thing.kind == "window" and rng.random() < 0.6:
            x, y = thing.point(0.0, -0.3)
            lamps.append(Lamp((x, y, thing.z + 0.8), rng.uniform(0.2, 1.2)))
        elif thing.kind in ("floor lamp", "table lamp") and rng.random() < 0.3:
            lamps.append(Lamp((thing.x, thing.y, thing.z + thing.shape.bounds()[1][2] + 0.05), 0.3))
    return lamps


def illuminate(surfaces, lamps, furniture, rng):
    """Surfaces with illuminated colours: rgb as measured by a camera with neutral colours, 0..255.

    lamps: of `draw_lamps`; furniture: [T] bool, which things cast shadows on surfaces below them.
    """
    xyz, normal = surfaces.xyz, surfaces.normal
    light = rng.uniform(0.45, 0.85) + 0.08 * normal[:, 2]  # the bounce from ceiling and floor
    for lamp in lamps:
        ray = np.asarray(lamp.position, np.float32) - xyz
        distance = np.einsum("ij,ij->i", ray, ray)
        facing = np.einsum("ij,ij->i", ray, normal) / np.sqrt(distance + 1e-6)
        light += lamp.strength * 0.45 * np.maximum(facing, 0) / (1 + distance / 6)
    light *= 1 - rng.uniform(0.2, 0.55) * _below_something(xyz, normal, furniture[surfaces.thing])
    light *= 1 + 0.035 * _mottle(xyz, rng)
    light /= 1.04 * np.median(light[:: max(1, len(light) // 5000)])
    return replace(surfaces, rgb=np.clip(surfaces.rgb * light[:, None], 0, 255))


def _below_something(xyz, normal, furniture):
    """[N] float32 in 0..1: share of the surroundings of a point that has furniture above it."""
    low = xyz[:, :2].min(axis=0)
    cell = ((xyz[:, :2] - low) / SHADOW_CELL).astype(np.int64)
    size = cell.max(axis=0) + 1
    flat = cell[:, 0] * size[1] + cell[:, 1]
    caster = furniture & (xyz[:, 2] < 2.0)
    height = np.zeros(size[0] * size[1], dtype=np.float32)
    np.maximum.at(height, flat[caster], xyz[caster, 2])
    levels = np.arange(0.0, 1.8, SHADOW_STEP, dtype=np.float32)
    above = (height.reshape(size)[None] > levels[:, None, None] + 0.14).astype(np.float32)
    above = ndimage.uniform_filter(above, (1, 5, 5)).reshape(len(levels), -1)
    level = np.clip(xyz[:, 2] / SHADOW_STEP, 0, len(levels) - 1).astype(np.int64)
    return above[level, flat] * (0.25 + 0.75 * np.abs(normal[:, 2]))


def _mottle(xyz, rng):
    """[N] float32 around 0: stains and uneven light, as distorted waves of half a metre and more."""
    value = np.zeros(len(xyz), dtype=np.float32)
    bend = 2 * np.sin(xyz @ rng.normal(0, 2, 3).astype(np.float32))
    for _ in range(3):
        wave = rng.normal(0, rng.uniform(1, 5), 3).astype(np.float32)
        value += np.sin(xyz @ wave + bend + np.float32(rng.uniform(0, 6.28)))
    return value


@dataclass(frozen=True)
class Tint:
    """A camera's colour errors: gain [3] per channel, saturation and contrast; 1 is neutral."""

    gain: np.ndarray
    saturation: float
    contrast: float

    def __call__(self, rgb):
        """Colours with these errors. rgb: [N, 3] float32 in 0..255; returns the same shape and range."""
        gray = rgb.mean(axis=1, keepdims=True)
        value = gray + (rgb - gray) * np.float32(self.saturation)
        value = 255 * (np.clip(value, 0, 255) / 255) ** np.float32(self.contrast)
        return np.clip(value * self.gain, 0, 255)


def draw_tint(rng, strength):
    """Colour errors of a camera: usually small, sometimes large. strength: factor, 0 (neutral) .. 2."""
    far_off = rng.random() < 0.25
    spread = strength * (0.1 if far_off else 0.035)
    warm = strength * rng.normal(0.04, 0.12 if far_off else 0.05)  # lamps are yellow, shadows are blue
    exposure = strength * (rng.normal(-0.22, 0.3) if far_off else rng.normal(-0.02, 0.12))
    gain = np.exp(rng.normal(0, spread, 3) + warm * np.array([1.0, 0.2, -1.0]) + exposure)
    contrast = float(np.exp(strength * rng.normal(0.02, 0.14 if far_off else 0.07)))
    faded = rng.uniform(0.0, 0.5) if far_off else rng.uniform(-0.1, 0.25)
    return Tint(gain.astype(np.float32), 1 - strength * faded, contrast)
