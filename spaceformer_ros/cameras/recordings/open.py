# SPDX-License-Identifier: Apache-2.0
"""Open a recording in any known layout."""

import pathlib

from ... import SpaceformerError
from ...clouds.formats.recognise import foreign_content, sparse_model
from . import numbered, tum

LAYOUTS = (
    (tum.is_tum, tum.open_tum),
    (numbered.is_seven_scenes, numbered.open_seven_scenes),
    (numbered.is_scannet, numbered.open_scannet),
    (numbered.is_plain, numbered.open_plain),
)


def open_recording(folder):
    """The Recording of a folder. Raises SpaceformerError for other folders, with the layouts that are known."""
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        found = foreign_content(folder) if folder.is_file() else ""
        raise SpaceformerError(f"{folder} is not a folder{': ' * bool(found)}{found}")
    for fits, opened in LAYOUTS:
        if fits(folder):
            return opened(folder)
    if found := sparse_model(folder):
        raise SpaceformerError(f"{folder} is not a recording: {found}")
    raise SpaceformerError(
        f"{folder} is not a recording: expected rgb.txt, depth.txt and groundtruth.txt (TUM RGB-D), frame-*.pose.txt "
        "(7-Scenes), intrinsic/intrinsic_depth.txt with color/, depth/ and pose/ (ScanNet), or intrinsics.txt with "
        "color/, depth/ and poses/"
    )
