# SPDX-License-Identifier: Apache-2.0
"""A cloud file through the pipeline."""

import logging

from ..timing import Stopwatch


def scene_of_file(path, config, up):
    """Segment a cloud file. Returns (Pipeline, Outcome). Raises SpaceformerError.

    config: Config; up: axis of the file that points up, a key of UPRIGHT.
    """
    from ..clouds.files import read_cloud
    from ..pipeline import build_pipeline

    stopwatch = Stopwatch()
    with stopwatch.stage("decode"):
        cloud = read_cloud(path, config.input.allow_gray).cloud.upright(up)
    pipeline = build_pipeline(config, logging.getLogger(__name__).info)
    return pipeline, pipeline.process(cloud, stopwatch)
