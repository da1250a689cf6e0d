# SPDX-License-Identifier: Apache-2.0
"""The three files that the OpenLex3D benchmark evaluates (arXiv 2503.19764)."""

import numpy as np

from ..clouds.files import write_cloud
from ..disk.atomic import replace_array
from ..geometry.vectors import unit_vectors
from ..graph.nodes import OBJECT


def write_openlex3d(folder, graph, scene):
    """A folder with embeddings.npy [O, C] float32 unit vectors, index.npy [n] int64 and point_cloud.pcd with n points.

    index: row of the embeddings for each point. Points of no object are left out; of two objects that share a point the
    better one has it. C: the space of the text model in use.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shown = [scene.find_id(node.number) for node in graph.of_kind(OBJECT)]
    owner = scene.point_owner(shown) if shown else np.full(len(scene.cloud), -1)
    inside = owner >= 0
    features = scene.instances.features[[item.row for item in shown]] if shown else np.zeros((0, 1), np.float32)
    replace_array(folder / "embeddings.npy", unit_vectors(features).astype(np.float32))
    replace_array(folder / "index.npy", owner[inside].astype(np.int64))
    write_cloud(folder / "point_cloud.pcd", scene.cloud[inside])
