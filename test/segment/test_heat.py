# SPDX-License-Identifier: Apache-2.0
"""The probability of one object's mask at every point."""

import numpy as np
import pytest
import torch
from helpers.halls import hall_pipeline, make_hall

from spaceformer_ros import SpaceformerError
from spaceformer_ros.network.decoder import Prediction
from spaceformer_ros.segment.heat import mask_probability

LOGITS = torch.tensor([[9.0, -9.0, 0.5], [9.0, -9.0, 2.0], [-9.0, 9.0, 1.0], [-1.0, 9.0, -9.0]])  # [M, Q]


def prediction(objectness=(0.0, 0.0, 0.0)):
    confidence = torch.stack([torch.tensor(objectness), torch.zeros(3)], dim=1)
    return Prediction(mask_logits=LOGITS, objectness_logits=confidence, clip_features=torch.zeros(3, 4))


def test_the_best_query_decides():
    inside = np.array([True, True, False, False])
    assert np.allclose(mask_probability(prediction(), inside, 0.0), LOGITS[:, 0].sigmoid())
    assert np.allclose(mask_probability(prediction(), ~inside, 0.0), LOGITS[:, 1].sigmoid())


def test_queries_that_were_averaged_into_the_mask_count_by_their_objectness():
    inside = np.array([True, True, False, False])  # IoU 1 with the first query, 2/3 with the third
    heat = mask_probability(prediction((0.0, 0.0, -1.0)), inside, 0.0, fuse_iou=0.5)
    weights = torch.tensor([0.0, 0.0, -1.0]).sigmoid()[[0, 2]]
    assert np.allclose(heat, LOGITS[:, [0, 2]].sigmoid() @ (weights / weights.sum()), atol=1e-6)


def test_no_mask_no_heat():
    nowhere = Prediction(
        mask_logits=-LOGITS.abs(), objectness_logits=torch.zeros(3, 2), clip_features=torch.zeros(3, 4)
    )
    assert not mask_probability(nowhere, np.array([True, False, False, False]), 0.0).any()


@pytest.mark.slow
def test_heat_of_an_object_of_a_map_in_tiles():
    pipeline = hall_pipeline()
    scene = pipeline.process(make_hall()).scene
    before = scene.map_revision
    for item in scene.objects[:2]:
        heat, inside = pipeline.mask_heat(item.id, scene), scene.instances.point_mask(item.row)
        assert heat.shape == (len(scene.cloud),)
        assert 0 <= heat.min() <= heat.max() <= 1
        assert heat[inside].mean() > 0.5 > heat[~inside].mean()
    assert pipeline.scene.map_revision == before
    with pytest.raises(SpaceformerError, match="no object with id 999 in map revision 1"):
        pipeline.mask_heat(999, scene)
