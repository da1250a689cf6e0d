# SPDX-License-Identifier: Apache-2.0
"""Fixtures shared by all tests: a tiny network, small clouds, and messages without ROS."""

import gc
import os

# Nothing that a test starts may leave this machine, and no hub may be asked.
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import pytest
import torch
from helpers.fakes import ROOM, make_pipeline
from helpers.networks import tiny_config

from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.config import Config
from spaceformer_ros.network.model import SpaCeFormer
from spaceformer_ros.timing import Stopwatch

if "PYTEST_XDIST_WORKER" in os.environ:  # other test processes run beside this one
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that tests start
    torch.set_num_threads(1)
else:
    torch.set_num_threads(min(2, torch.get_num_threads()))


def pytest_collection_finish():
    gc.collect()
    gc.freeze()  # modules and tests need not be searched for garbage again and again


@pytest.fixture(scope="session")
def text_cache(tmp_path_factory):
    """A cache folder shared by all test processes, so that the vocabulary is embedded once."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def box_cloud(rng):
    """A function: a Cloud of boxes, rows (centre, size, colour), sampled on their surfaces at about 2 cm."""

    def make(rows, points=4000, frame_id="map", stamp_ns=1_000_000_000):
        xyz, rgb = [], []
        for center, size, color in rows:
            unit = rng.random((points, 3)) - 0.5
            face = rng.integers(3, size=points)
            unit[np.arange(points), face] = np.where(rng.random(points) < 0.5, -0.5, 0.5)
            xyz.append(unit * size + center)
            rgb.append(np.tile(np.array(color, dtype=np.uint8), (points, 1)))
        return Cloud(np.concatenate(xyz).astype(np.float32), np.concatenate(rgb), frame_id, stamp_ns)

    return make


@pytest.fixture
def tiny_model():
    """A function: a tiny network with seeded random weights, in eval mode."""

    def make(seed=0, **changes):
        torch.manual_seed(seed)
        return SpaCeFormer(tiny_config(**changes)).eval().requires_grad_(False)

    return make


@pytest.fixture
def pipeline(box_cloud):
    """A Pipeline on stand-ins that has seen the ROOM of fakes: a chair, a sofa, a table and a wall."""
    made = make_pipeline(
        Config().with_values({"vocabulary": ["chair", "sofa", "table"], "background_labels": ["wall"]})
    )
    made.process(box_cloud(ROOM), Stopwatch())
    return made
