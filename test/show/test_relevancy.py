# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest
from helpers.fakes import GREEN

from spaceformer_ros import SpaceformerError
from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.scene.find import Match, ObjectQuery
from spaceformer_ros.show.colors import heat_colors
from spaceformer_ros.show.relevancy import color_points, point_relevancy


def test_points_have_the_score_of_the_best_match_that_contains_them(pipeline):
    scene = pipeline.scene
    relevancy = pipeline.relevancy("couch", scene)
    (best,) = pipeline.find(ObjectQuery("couch"), scene).matches
    inside = (scene.cloud.rgb == GREEN).all(axis=1)
    assert (relevancy[inside] == np.float32(best.score)).all()
    assert best.score == relevancy.max() > 0.5
    assert (relevancy[~inside] < 0.1).all()
    wall = scene.instances.point_mask(next(item.row for item in scene.objects if item.label == "wall"))
    assert (relevancy[wall] == 0).all()  # background is asked for by its name only
    assert (pipeline.relevancy("wall", scene)[wall] > 0.5).all()


def test_where_masks_overlap_the_better_match_counts(pipeline):
    scene = pipeline.scene
    chair, sofa = (next(item for item in scene.objects if item.label == label) for label in ("chair", "sofa"))
    masks = list(scene.instances.masks)
    masks[chair.row] = masks[sofa.row] = np.union1d(masks[chair.row], masks[sofa.row])
    scene = dataclasses.replace(scene, instances=dataclasses.replace(scene.instances, masks=tuple(masks)))
    relevancy = point_relevancy(scene, [Match(sofa, 0.9, np.nan), Match(chair, 0.2, np.nan)])
    assert set(relevancy.tolist()) == {0.0, np.float32(0.9)}


def test_a_text_that_cannot_be_used_is_refused(pipeline):
    with pytest.raises(SpaceformerError, match="the text is empty"):
        pipeline.relevancy(" ", pipeline.scene)


def test_the_color_scale_and_gray_for_zero():
    cloud = Cloud(np.zeros((5, 3), dtype=np.float32), np.full((5, 3), 255, dtype=np.uint8))
    colored, columns = color_points(cloud, np.array([0.0, 0.001, 0.25, 0.5, 0.9], dtype=np.float32), top=0.5)
    gray, cold, warm, hot, hotter = colored.rgb.tolist()
    assert len(set(gray)) == 1
    assert (cold, hot) == ([16, 7, 136], [240, 249, 33])
    assert warm == [204, 71, 120]
    assert hotter == hot
    assert columns["relevancy"].tolist() == pytest.approx([0.0, 0.001, 0.25, 0.5, 0.9])


def test_clouds_are_subsampled_evenly():
    cloud = Cloud(np.arange(30, dtype=np.float32).reshape(10, 3), np.zeros((10, 3), dtype=np.uint8))
    colored, columns = color_points(cloud, np.linspace(0, 0.9, 10, dtype=np.float32), top=1.0, max_points=4)
    assert colored.xyz[:, 0].tolist() == [0.0, 9.0, 18.0, 27.0]
    assert columns["relevancy"] == pytest.approx([0.0, 0.3, 0.6, 0.9])


def test_the_heat_colors_are_those_of_plasma():
    import matplotlib

    values = np.linspace(0, 1, 256)
    expected = 255 * np.array(matplotlib.colormaps["plasma"].colors)
    assert np.abs(heat_colors(values) - expected).max() <= 1
    luminance = heat_colors(values) @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(luminance) > -1).all()
