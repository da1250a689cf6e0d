# SPDX-License-Identifier: Apache-2.0
"""Segment one cloud file with the pipeline."""

import contextlib
import logging
import pathlib
import sys

from .. import SpaceformerError
from ..pipeline import Observer, build_pipeline
from ..timing import Stopwatch
from .options import config_of

MIN_SECONDS = 0.1  # between two updates of the progress


def scene_of_file(path, config, up):
    """Segment a cloud file. Returns (Pipeline, Outcome). Raises SpaceformerError.

    config: Config; up: axis of the file that points up, a key of UPRIGHT.
    """
    from ..clouds.files import read_cloud

    stopwatch = Stopwatch()
    with stopwatch.stage("decode"):
        cloud = read_cloud(path, config.input.allow_gray, config.input.input_scale).cloud.turned(up)
    pipeline = build_pipeline(config, logging.getLogger(__name__).info)
    with progress_bar() as observer:
        outcome = pipeline.process(cloud, stopwatch, observer=observer)
    for remark in outcome.remarks:
        print(f"spaceformer: {path}: {remark}", file=sys.stderr)
    print_frame(path, up)
    return pipeline, outcome


def scene_or_saved(options):
    """(Pipeline, Scene, name of the map) of a cloud, which is segmented, or of a saved scene. Raises SpaceformerError.

    options: parsed arguments of `add_cloud` and `add_settings`
    """
    source = pathlib.Path(options.cloud)
    if not is_saved(source, options.up):
        pipeline, outcome = scene_of_file(options.cloud, config_of(options), options.up)
        return pipeline, outcome.scene, source.stem
    pipeline = build_pipeline(config_of(options))
    scene = pipeline.load(source.absolute())
    for remark in scene.remarks:
        print(f"spaceformer: {source}: {remark}", file=sys.stderr)
    return pipeline, scene, source.stem


def is_saved(path, up):
    """Whether a path is that of a saved scene. Raises SpaceformerError if it is and an upper axis is given for it."""
    from ..scene.data_dir import SUFFIX

    if pathlib.Path(path).suffix != SUFFIX:
        return False
    if up != "z":
        raise SpaceformerError(f"--up {up} is for clouds: {path} is a saved scene, which keeps its axes")
    return True


@contextlib.contextmanager
def progress_bar():
    """A context with an Observer that shows the pipeline's progress on the terminal."""
    from tqdm import tqdm

    with tqdm(disable=None, leave=False, bar_format="{desc}, {elapsed}", mininterval=MIN_SECONDS) as bar:
        yield _Progress(bar)


def print_frame(source, up):
    """Print in which frame results are, unless it is that of the file. source: name of the file; up: its upper axis."""
    if up != "z":
        print(f"spaceformer: positions are in the frame of {source} turned so that its axis {up} is z", file=sys.stderr)


class _Progress(Observer):
    """Shows the pipeline's progress on a tqdm bar."""

    def __init__(self, bar):
        self._bar = bar

    def on_progress(self, text, tile=0, tiles=0):
        self._bar.set_description_str(text)
