#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long does a visitor wait for the page of a map? Measured in headless Chromium, which draws with the CPU.

    tools/env.sh python -m benchmarks.page --points 300000

Seconds from the request of the page to the status line, to the first frame with points of the map, and to the last
frame that has more points than those before; the points of that frame; and CPU seconds of Python per visitor. Page and
browser share the cores. Exit code 1 if the median time to the first frame is above the target.
"""

import argparse
import os
import shutil
import sys
import time
from dataclasses import replace

import numpy as np
from playwright.sync_api import sync_playwright

from spaceformer_ros.cli.tables import print_table
from spaceformer_ros.config import Config
from spaceformer_ros.pipeline import build_pipeline
from spaceformer_ros.sources.files import FileSource
from spaceformer_ros.synthetic import RoomConfig, make_room
from spaceformer_ros.view.server import Viewer

TARGET = 3.0  # seconds to the first frame
PATIENCE = 60_000  # milliseconds
SETTLED = 3.0  # seconds without more points
FLAGS = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
# Remembers when points were drawn first, and when the number of points in a frame was last exceeded.
WATCH = """
window.drawn = {first: null, most: 0, last: null};
let points = 0, frame = -1;
for (const name of ['drawArrays', 'drawArraysInstanced', 'drawElements', 'drawElementsInstanced']) {
  const draw = WebGL2RenderingContext.prototype[name];
  WebGL2RenderingContext.prototype[name] = function (mode, ...rest) {
    if (mode === this.POINTS) {
      const seconds = performance.now() / 1000;
      window.drawn.first ??= seconds;
      if (seconds - frame > 0.005) points = 0;
      points += name === 'drawArrays' ? rest[1] : rest[0];
      if (points > window.drawn.most) Object.assign(window.drawn, {most: points, last: seconds});
      frame = seconds;
    }
    return draw.call(this, mode, ...rest);
  };
}
"""


def main():
    options = parse_options()
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        sys.exit("page: chromium is not installed: sudo apt install chromium")
    pipeline = build_pipeline(Config())
    pipeline.process(dense_room(options.seed, options.points))
    viewer = Viewer(FileSource(pipeline), port=0)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browser_path, args=FLAGS)
        visits = [visit(browser, viewer.address) for _ in range(options.visits + 1)][1:]  # the first fills caches
        browser.close()
    viewer.close()
    sys.exit(report(options.points, len(pipeline.scene.objects), visits))


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=300_000, help="of the map")
    parser.add_argument("--visits", type=int, default=5)
    parser.add_argument("--seed", type=int, default=500_000, help="of the generated room")
    return parser.parse_args()


def dense_room(seed, points):
    """The Cloud of a generated room with `points` points: its points are repeated, moved by up to 5 mm."""
    cloud, rng = make_room(seed, RoomConfig()).cloud, np.random.default_rng(seed)
    rows = np.sort(rng.permutation(np.resize(np.arange(len(cloud)), points)))
    moves = rng.uniform(-0.005, 0.005, (points, 3)).astype(np.float32)
    return replace(cloud[rows], xyz=cloud.xyz[rows] + moves)


def visit(browser, address):
    """(seconds to the status line, to the first frame, to the last; points drawn; CPU seconds of Python)."""
    context = browser.new_context(viewport={"width": 800, "height": 600})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.add_init_script(WATCH)
    start, used = time.perf_counter(), time.process_time()
    page.goto(address, wait_until="commit")
    page.get_by_text("objects").first.wait_for()
    status = time.perf_counter() - start
    page.wait_for_function(f"window.drawn.first !== null && performance.now() / 1000 > window.drawn.last + {SETTLED}")
    used = time.process_time() - used
    drawn = page.evaluate("window.drawn")
    context.close()
    return status, drawn["first"], drawn["last"], drawn["most"], used


def report(points, objects, visits):
    """Print the table. Returns the exit code."""
    rows = np.array(visits)
    names = ("status line", "first frame with points", "last frame with more", "points drawn", "Python, CPU")
    table = []
    for k, name in enumerate(names):
        form = "{:.0f}" if name == "points drawn" else "{:.2f} s"
        table.append((name, *(form.format(value) for value in (np.median(rows[:, k]), rows[:, k].max()))))
    machine = f"{len(os.sched_getaffinity(0))} CPU cores, load {os.getloadavg()[0]:.1f}"
    print(f"{points} points, {objects} objects, {len(visits)} visits; {machine}")
    print_table(table, ("from the request to", "median", "longest"))
    return int(np.median(rows[:, 1]) > TARGET)


if __name__ == "__main__":
    main()
