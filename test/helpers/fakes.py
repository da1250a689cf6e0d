# SPDX-License-Identifier: Apache-2.0
"""Stand-ins with which pipelines run without a trained network: a segmenter that finds boxes by colour."""

import contextlib
import hashlib
import resource

import numpy as np

from spaceformer_ros.grids.groups import unique_rows
from spaceformer_ros.instances import Masks, Segmentation, VoxelMap
from spaceformer_ros.pipeline import Pipeline
from spaceformer_ros.segment.measure import measure
from spaceformer_ros.words.calibration import Calibration, Curve
from spaceformer_ros.words.similarity import Similarity
from spaceformer_ros.words.text_model import TextModelId

DIM = 1024


def text_vector(text):
    """A unit vector that depends on the text alone; different texts are orthogonal."""
    vector = np.zeros(DIM, dtype=np.float32)
    vector[int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % DIM] = 1
    return vector


class FakeEmbedder:
    """Embeds by `text_vector`; "couch" is the same as "sofa"."""

    model_id = TextModelId("fake", "1")

    def embed(self, texts):
        return np.stack([text_vector({"couch": "sofa"}.get(text, text)) for text in texts])


class ColorSegmenter:
    """One instance per colour of the cloud, with the feature of the name that `names` gives the colour."""

    voxel_size, forgotten = 0.05, False
    model_name, model_sha256 = "colors", "c0105" * 12 + "c010"

    def __init__(self, names, objectness=0.9):
        self.names, self.objectness, self.runs, self.cancelled = names, objectness, 0, False

    def segment_in_parts(self, cloud, config, stopwatch):
        yield self.segment(cloud, config, stopwatch)

    def segment(self, cloud, config, stopwatch=None):
        self.runs += 1
        cells, inverse = unique_rows(np.floor(cloud.xyz / self.voxel_size).astype(np.int64))
        inverse = inverse.astype(np.int32)
        voxels = VoxelMap(((cells + 0.5) * self.voxel_size).astype(np.float32), inverse, self.voxel_size)
        shown, color = unique_rows(cloud.rgb.astype(np.int64))
        named = [row for row, color in enumerate(shown.tolist()) if tuple(color) in self.names]
        colors = [tuple(shown[row].tolist()) for row in named]
        masks = [np.flatnonzero(np.bincount(inverse[color == row])).astype(np.int32) for row in named]
        features = np.array([text_vector(self.names[color]) for color in colors]).reshape(-1, DIM)
        scores = np.full(len(masks), self.objectness, dtype=np.float32)
        found = Masks(tuple(masks), scores, np.ones_like(scores), features.astype(np.float32))
        return Segmentation(measure(found, voxels))

    def mask_heat(self, cloud, config, inside):
        return np.where(inside, 0.9, 0.1).astype(np.float32)

    def cancel(self):
        self.cancelled = True

    def forget(self):
        self.forgotten = True

    def facts(self):
        return {"backend": "fake", "device": "none", "precision": "exact"}


RED, GREEN, BLUE, GRAY = (200, 30, 30), (30, 200, 30), (30, 30, 200), (120, 120, 120)
# Rows for `box_cloud`: a chair, a sofa, a table and a wall.
ROOM = [
    ((0.0, 0.0, 0.5), (0.5, 0.5, 1.0), RED),
    ((3.0, 0.0, 0.4), (2.0, 0.9, 0.8), GREEN),
    ((0.0, 3.0, 0.4), (1.4, 0.8, 0.75), BLUE),
    ((1.5, -2.0, 1.0), (6.0, 0.1, 2.0), GRAY),
]
NAMES = {RED: "chair", GREEN: "sofa", BLUE: "table", GRAY: "wall"}


CERTAIN = Curve((0.5, 0.9), (0.0, 0.9))
CALIBRATION = Calibration(CERTAIN, CERTAIN, CERTAIN, CERTAIN, "nothing: for tests")


def make_pipeline(config, names=None, calibration=None):
    """A Pipeline on fakes. config: Config; calibration: as of the checkpoint."""
    similarity = Similarity(normalize=True, scale=20.0)
    return Pipeline(ColorSegmenter(names or NAMES), FakeEmbedder(), similarity, config, calibration)


@contextlib.contextmanager
def full_disk(limit=2000):
    """As a full disk: while it lasts, no file that this process writes can grow beyond `limit` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
