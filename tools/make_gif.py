#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make the animation of the README from a run: tools/env.sh python tools/make_gif.py [--query TEXT] [--seed 0]

Segments a generated room (or --cloud FILE) with the demo weights, answers a query, and draws the result: relevancy of
every point, boxes and labels of the matches, and the approach pose of the best match that has one. Nothing is edited: a
wrong match is drawn like a right one.
"""

import argparse
import pathlib
from dataclasses import dataclass

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from spaceformer_ros.clouds.files import read_cloud
from spaceformer_ros.config import Config
from spaceformer_ros.geometry.boxes import EDGES
from spaceformer_ros.geometry.heading import manhattan_yaw
from spaceformer_ros.pipeline import build_pipeline
from spaceformer_ros.scene.approach import Approach, first_approach
from spaceformer_ros.scene.find import Answer, ObjectQuery
from spaceformer_ros.show.camera import Camera, render
from spaceformer_ros.show.colors import heat_colors
from spaceformer_ros.synthetic import RoomConfig, make_room
from spaceformer_ros.timing import Stopwatch

WIDTH, HEIGHT, OVERSAMPLING = 600, 420, 2
FRAME_MS = 90
SECONDS = 6.6
TURN = np.radians(75)  # the camera turns by this, until the matches are shown: frames alike take little space
ELEVATION = np.radians(42)
DISC = 0.024  # metres, radius of a drawn point
CUT_HEIGHT = 2.3  # metres above the floor; ceiling and lamps above it are cut away
FULL_GLOW = 0.5  # share of the maximum relevancy from which a point has only its relevancy colour
WALL = 0.25  # metres; a wall that hides the room is cut away as far as this from the side of the map
COLORS = 240  # of the palette that all frames share
BACKGROUND = (17, 19, 24)
BOX_COLOR, ARROW_COLOR, TEXT_COLOR, DIM_COLOR = (255, 236, 120), (64, 224, 160), (240, 242, 245), (150, 156, 168)
TYPING, HEATING, BOXES, ARROW = (0.5, 1.7), (1.9, 2.6), (2.7, 3.5), (3.9, 4.6)  # from, to: seconds
BLENDED = 4  # last frames, blended with the first ones


@dataclass(frozen=True)
class Run:
    """A query and its result. cloud: the map; heat: [N, 3] uint8 relevancy colours; approach may be None."""

    cloud: object
    heat: np.ndarray
    answer: Answer
    approach: Approach | None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cloud", help="a coloured cloud file, z up; default: a generated living room")
    parser.add_argument("--seed", type=int, default=0, help="of the generated room (default: %(default)s)")
    parser.add_argument("--query", default="something to sit on")
    parser.add_argument("--azimuth", type=float, default=295.0, help="direction of the camera, degrees")
    parser.add_argument("--frames", type=int, nargs="*", help="write only these frames, as PNG files next to --out")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("docs/images/find.gif"))
    options = parser.parse_args()
    run = segment_and_ask(load_map(options), options.query)
    shown = options.frames or range(round(1000 * SECONDS / FRAME_MS))
    stage = Stage(run, np.radians(options.azimuth))
    frames = [stage.frame(number * FRAME_MS / 1000) for number in shown]
    if options.frames:
        for number, frame in zip(shown, frames):
            frame.save(options.out.with_name(f"{options.out.stem}_{number:03d}.png"))
    else:
        save_gif(options.out, blend_ends(frames))
        print(f"{options.out}: {len(frames)} frames, {options.out.stat().st_size / 1e6:.2f} MB")


def load_map(options):
    """The Cloud of a file, or of a generated room after a complete tour of the camera."""
    if options.cloud:
        return read_cloud(options.cloud).cloud
    return make_room(options.seed, RoomConfig(theme="living room", tours=(1, 0, 0), l_shape=0.0)).cloud


def segment_and_ask(cloud, text):
    """A Run on a Cloud with the demo weights and default settings."""
    config = Config().with_values({"warm_up": False})
    pipeline = build_pipeline(config)
    scene = pipeline.process(cloud, Stopwatch()).scene
    query = ObjectQuery(text, config.scene.max_results, config.scene.min_match_score)
    answer = pipeline.find(query, scene)
    relevancy = pipeline.relevancy(text, scene)
    heat = glow(scene.cloud.rgb, relevancy / max(relevancy.max(), 1e-6))
    for match in answer.matches:
        place = match.object.box.center
        print(f"{match.object.label:12s} {match.score:.2f}  {place[0]:6.2f} {place[1]:6.2f} {place[2]:6.2f}")
    boxes = (match.object.box for match in answer.matches)
    approach = first_approach(scene.cloud.xyz, boxes, config.scene.approach_standoff, config.scene.robot_footprint)
    return Run(scene.cloud, heat, answer, approach)


def glow(rgb, relevancy):
    """[N, 3] colours of points: heat where the relevancy [N] in [0, 1] is high, else their own, dim and gray."""
    gray = rgb.mean(axis=1, keepdims=True)
    dim = 0.38 * (0.7 * gray + 0.3 * rgb)
    weight = np.clip(relevancy / FULL_GLOW, 0, 1)[:, None]
    return (1 - weight) * dim + weight * heat_colors(relevancy) * (0.55 + 0.45 * gray / 255)


class Stage:
    """Draws a Run at any time of the animation. azimuth: radians, direction of the camera relative to the walls."""

    def __init__(self, run, azimuth):
        self.run = run
        self.heading = manhattan_yaw(run.cloud.xyz)
        self.azimuth = azimuth + self.heading
        self.xyz = np.asarray(run.cloud.xyz, dtype=np.float64)
        c, s = np.cos(self.heading), np.sin(self.heading)
        self.sides = np.array([[c, s], [-s, c], [-c, -s], [s, -c]])  # outward normals of the four sides
        self.reach = np.percentile(self.xyz[:, :2] @ self.sides.T, 99.7, axis=0)  # metres along each normal
        low, high = -self.reach[2:], self.reach[:2]
        self.floor = float(np.percentile(self.xyz[:, 2], 1))
        self.center = np.array([*(self.sides[:2].T @ ((low + high) / 2)), self.floor + 0.5])
        self.distance = 1.28 * float(np.linalg.norm(high - low))
        self.dither = np.random.default_rng(0).random(len(self.xyz))
        self.fonts = {size: load_font(size) for size in (13, 15, 19)}

    def frame(self, seconds):
        """The picture at a time, a PIL image of WIDTH x HEIGHT."""
        azimuth = self.azimuth - TURN * (1 - min(1.0, seconds / BOXES[0])) ** 1.5
        camera = self._camera(azimuth)
        rows = np.flatnonzero(self._visible(camera))
        image = render(self.xyz[rows], DISC, camera)
        heat = ramp(seconds, HEATING)
        rgb = (1 - heat) * self.run.cloud.rgb[rows] + heat * self.run.heat[rows]
        picture = Image.fromarray(image.paint(rgb, BACKGROUND).clip(0, 255).astype(np.uint8))
        picture = picture.filter(ImageFilter.MedianFilter(2 * OVERSAMPLING + 1))  # less noise, a third less to store
        draw = ImageDraw.Draw(picture, "RGBA")
        self._draw_approach(draw, camera, ramp(seconds, ARROW))
        for rank, match in enumerate(self.run.answer.matches):
            begin = BOXES[0] + 0.15 * rank
            self._draw_box(draw, camera, image.depth, match.object, ramp(seconds, (begin, begin + 0.4)))
        picture = picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
        self._draw_texts(ImageDraw.Draw(picture, "RGBA"), camera, seconds)
        return picture

    def _camera(self, azimuth):
        direction = np.array(
            [np.cos(azimuth) * np.cos(ELEVATION), np.sin(azimuth) * np.cos(ELEVATION), np.sin(ELEVATION)]
        )
        eye = self.center + self.distance * direction
        return Camera(eye, self.center, OVERSAMPLING * WIDTH, OVERSAMPLING * HEIGHT, fov=0.72)

    def _visible(self, camera):
        """[N] bool: what is below CUT_HEIGHT and not part of a wall between the room and the camera."""
        visible = self.xyz[:, 2] < self.floor + CUT_HEIGHT
        toward = self.sides @ (camera.eye - self.center)[:2] / np.linalg.norm((camera.eye - self.center)[:2])
        for normal, reach, facing in zip(self.sides, self.reach, toward):
            hidden = np.clip((facing - 0.05) / 0.2, 0, 1)  # walls seen edge-on dissolve
            wall = (self.xyz[:, :2] @ normal > reach - WALL) & (self.xyz[:, 2] > self.floor + 0.08)
            visible &= ~(wall & (self.dither < hidden))
        return visible

    def _draw_box(self, draw, camera, depth, item, strength):
        """Edges of an object's box, growing out of the floor; faint where something is in front of them."""
        if strength <= 0:
            return
        corners = item.box.corners.copy()
        corners[4:, 2] = corners[:4, 2] + strength * (corners[4:, 2] - corners[:4, 2])
        steps = np.linspace(0, 1, 25)[:, None]
        for a, b in EDGES:
            pixels, far = camera.project(corners[a] + steps * (corners[b] - corners[a]))
            x, y = np.clip(np.rint(pixels).astype(int), 0, (camera.width - 1, camera.height - 1)).T
            clear = far < depth[y, x] + 0.06
            for k in range(len(steps) - 1):
                alpha = int(255 * strength * (1.0 if clear[k] else 0.3))
                draw.line([*pixels[k], *pixels[k + 1]], fill=(*BOX_COLOR, alpha), width=2 * OVERSAMPLING)

    def _draw_approach(self, draw, camera, strength):
        """Footprint of the robot and an arrow on the floor toward the object."""
        if strength <= 0 or self.run.approach is None:
            return
        pose, alpha = self.run.approach, int(255 * min(1.0, 2 * strength))
        turn = np.linspace(0, 2 * np.pi, 40)
        ring = np.column_stack([0.25 * np.cos(turn), 0.25 * np.sin(turn)])
        length = 0.25 + 0.5 * strength
        neck = length - 0.26
        arrow = np.array(
            [(-0.1, -0.07), (neck, -0.07), (neck, -0.2), (length, 0), (neck, 0.2), (neck, 0.07), (-0.1, 0.07)]
        )
        c, s = np.cos(pose.yaw), np.sin(pose.yaw)
        for outline, opacity in ((ring, 0.45), (arrow, 1.0)):
            ground = outline @ np.array([[c, s], [-s, c]]) + pose.position[:2]
            pixels, _ = camera.project(np.column_stack([ground, np.full(len(ground), pose.position[2] + 0.02)]))
            draw.polygon(
                [tuple(p) for p in pixels], fill=(*ARROW_COLOR, int(alpha * opacity)), outline=(*ARROW_COLOR, alpha)
            )

    def _draw_texts(self, draw, camera, seconds):
        """Search field, labels of the matches and a caption."""
        answer = self.run.answer
        count = round(len(answer.text) * ramp(seconds, TYPING, smooth=False))
        caret = "|" if TYPING[0] - 0.4 < seconds < HEATING[0] and int(seconds / 0.24) % 2 == 0 else ""
        draw.rounded_rectangle((16, 14, 300, 46), 10, fill=(36, 40, 49, 255), outline=(84, 90, 104, 255))
        draw.ellipse((27, 22, 38, 33), outline=(*DIM_COLOR, 255), width=2)
        draw.line((37, 32, 42, 38), fill=(*DIM_COLOR, 255), width=2)
        draw.text((52, 30), answer.text[:count] + caret, font=self.fonts[15], fill=(*TEXT_COLOR, 255), anchor="lm")
        for (x, y), (rank, match) in zip(self._label_places(camera), enumerate(answer.matches)):
            strength = ramp(seconds, (BOXES[0] + 0.15 * rank + 0.2, BOXES[0] + 0.15 * rank + 0.5))
            self._draw_label(draw, x, y, match.object.label, BOX_COLOR, strength, "mm")
        self._draw_label(draw, 18, HEIGHT - 22, self._caption(seconds), TEXT_COLOR, 1.0, "lm")

    def _label_places(self, camera):
        """Pixels [K, 2] of the matches' labels: above their boxes, moved up where they would cover another."""
        tops = np.array([m.object.box.center + (0, 0, m.object.box.size[2] / 2 + 0.1) for m in self.run.answer.matches])
        places = camera.project(tops.reshape(-1, 3))[0] / OVERSAMPLING
        done = []
        for row in np.argsort(-places[:, 1]):
            while any(np.all(np.abs(places[row] - other) < (66, 20)) for other in done):
                places[row, 1] -= 2
            done.append(places[row])
        return places

    def _draw_label(self, draw, x, y, text, color, strength, anchor):
        if strength <= 0:
            return
        left, _, right, _ = draw.textbbox((x, y), text, font=self.fonts[13], anchor=anchor)
        draw.rounded_rectangle((left - 5, y - 9, right + 5, y + 9), 5, fill=(*BACKGROUND, int(200 * strength)))
        draw.text((x, y), text, font=self.fonts[13], fill=(*color, int(255 * strength)), anchor=anchor)

    def _caption(self, seconds):
        pose, matches = self.run.approach, self.run.answer.matches
        if seconds < HEATING[0]:
            return f"a map of {len(self.xyz):,} points"
        if seconds < BOXES[0]:
            return "relevancy of every point"
        if seconds < ARROW[0] or pose is None:
            return f"{len(matches)} matches"
        x, y = pose.position[:2]
        return f"approach pose: x {x:.2f} m, y {y:.2f} m, yaw {np.degrees(pose.yaw):.0f}°"


def load_font(size):
    """DejaVu Sans, which comes with matplotlib, in pixels."""
    folder = pathlib.Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(folder / "DejaVuSans.ttf", size)


def ramp(seconds, span, smooth=True):
    """0 before a span (from, to) of seconds, 1 after it, in between rising, smoothly or evenly."""
    share = float(np.clip((seconds - span[0]) / (span[1] - span[0]), 0, 1))
    return share * share * (3 - 2 * share) if smooth else share


def blend_ends(frames):
    """The frames with the last BLENDED ones blended into the first, so that the animation repeats without a jump."""
    end = [Image.blend(frames[-BLENDED - 1], frames[0], (k + 1) / (BLENDED + 1)) for k in range(BLENDED)]
    return [*frames[:-BLENDED], *end]


def save_gif(path, frames):
    """One palette for all frames and no dithering, both for a small file."""
    sample = frames[:: max(1, len(frames) // 20)]
    strip = Image.new("RGB", (WIDTH, HEIGHT * len(sample)))
    for number, frame in enumerate(sample):
        strip.paste(frame, (0, number * HEIGHT))
    palette = strip.quantize(COLORS, method=Image.Quantize.MEDIANCUT, kmeans=2)
    indexed = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    path.parent.mkdir(parents=True, exist_ok=True)
    indexed[0].save(path, save_all=True, append_images=indexed[1:], duration=FRAME_MS, loop=0, optimize=True)


if __name__ == "__main__":
    main()
