# SPDX-License-Identifier: Apache-2.0
"""A hall that is cut into tiles, and a pipeline with a real Segmenter whose network is a stand-in: it finds boxes by
their colour, one for each colour that a tile shows."""

import numpy as np
import torch

from helpers.fakes import FakeEmbedder, text_vector
from helpers.networks import segmenter
from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.config import Config
from spaceformer_ros.network.decoder import Prediction
from spaceformer_ros.pipeline import Pipeline
from spaceformer_ros.words.similarity import Similarity

NAMES = ("chair", "sofa", "table", "lamp", "shelf", "bed", "plant", "box")  # by colour: a bit for red, green and blue
FLOOR = (128, 128, 128)
STEP = 1.0  # metres between the boxes
SETTINGS = {"vocabulary": list(NAMES), "background_labels": ["floor"], "tile_voxels": 4000, "tile_margin": 0.4}


def make_hall(length=12.0, boxes=None, shade=250):
    """A Cloud of a floor of 3 m x length and boxes (numbers of places along it; default: all), each in the next colour;
    shade: brightness of full colours."""
    x, y = np.meshgrid(np.arange(0, length, 0.05), np.arange(0, 3, 0.05), indexing="ij")
    floor = np.column_stack([x.ravel(), y.ravel(), np.zeros(x.size)]) + 0.01
    side = np.arange(0, 0.4, 0.05)
    block = np.stack(np.meshgrid(side, side, side + 0.1, indexing="ij"), axis=-1).reshape(-1, 3)
    places = range(int(length / STEP)) if boxes is None else boxes
    xyz = [floor, *(block + (k * STEP + 0.3, 0.6 + k % 3 * 0.8, 0.0) for k in places)]
    rgb = [np.tile(FLOOR, (len(floor), 1))]
    rgb += [np.tile([shade if k % 8 >> bit & 1 else 5 for bit in range(3)], (len(block), 1)) for k in places]
    return Cloud(np.concatenate(xyz).astype(np.float32), np.concatenate(rgb).astype(np.uint8), "map")


class ColorBackend:
    """One query per name, with a mask on the voxels of its colour; confidence grows with the number of voxels."""

    name, before, name_head, point_head = "colors", staticmethod(lambda: None), None, None

    def predict(self, grid, orders):
        self.before()
        colors = grid.features
        number = ((colors > 0) * torch.tensor([1, 2, 4])).sum(dim=1)
        masks = (number[:, None] == torch.arange(len(NAMES))) & (colors.abs() > 0.1).any(dim=1, keepdim=True)
        sure = 4 * masks.sum(dim=0) / (masks.sum(dim=0) + 100)
        features = torch.from_numpy(np.stack([text_vector(name) for name in NAMES]))
        return Prediction(torch.where(masks, 5.0, -5.0), torch.stack([sure, -sure], dim=1), features)

    def cancel(self):
        pass


def hall_pipeline(config=None, **values):
    """A Pipeline for halls. config: Config, or values of settings besides SETTINGS."""
    made = segmenter()
    made.backend = ColorBackend()
    config = config or Config().with_values({**SETTINGS, "publish_partial": True, **values})
    return Pipeline(made, FakeEmbedder(), Similarity(normalize=True, scale=20.0), config)
