# SPDX-License-Identifier: Apache-2.0
"""Open the maps of a file or folder, to be asked."""

import logging
import sys

from ..pipeline import build_pipeline
from .scene_of_file import is_saved, progress_bar


def source_of_files(path, config, up):
    """The FileSource of a file or folder, with its first map open. Raises SpaceformerError.

    config: Config; up: axis of clouds in files that points up, a key of UPRIGHT.
    """
    from ..sources.files import FileSource, map_files

    is_saved(path, up)  # refuses an axis for a scene
    paths = map_files(path)
    pipeline = build_pipeline(config, logging.getLogger(__name__).info)
    with progress_bar() as observer:
        source = FileSource(pipeline, paths, up, observer)
        for remark in source.choose(source.maps[0]):
            print(f"spaceformer: {source.chosen}: {remark}", file=sys.stderr)
    return source
