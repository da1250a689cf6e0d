# SPDX-License-Identifier: Apache-2.0
import numpy as np
from helpers.buildings import cloud_of, two_rooms
from helpers.fakes import NAMES, make_pipeline

from spaceformer_ros.config import Config, PostprocessConfig
from spaceformer_ros.show.labeled_cloud import label_points
from spaceformer_ros.timing import Stopwatch


def test_every_point_has_the_label_and_id_of_its_object(pipeline):
    scene = pipeline.scene
    shown = scene.published(PostprocessConfig())
    cloud, columns = label_points(scene, shown, "instance")
    assert len(np.unique(cloud.rgb, axis=0)) > len(shown)
    for item in shown:
        inside = columns["instance_id"] == item.id
        assert (scene.cloud.rgb[inside] == _color_of(item.label)).all()
        assert set(columns["label"][inside].tolist()) == {item.label_index + 1}
    wall = (scene.cloud.rgb == _color_of("wall")).all(axis=1)
    assert (columns["label"][wall] == 0).all()


def test_background_has_its_label_on_demand_and_no_instance(pipeline):
    scene = pipeline.scene
    wall = (scene.cloud.rgb == _color_of("wall")).all(axis=1)
    _, before = label_points(scene, scene.published(PostprocessConfig()), "original")
    _, columns = label_points(scene, scene.published(PostprocessConfig()), "original", background=unknown)
    assert set(columns["label"][wall].tolist()) == {scene.space.vocabulary.names.index("wall") + 1}
    assert (columns["score"][wall] > 0).all()
    assert (columns["instance_id"][wall] == 0).all()
    for name, column in columns.items():
        assert np.array_equal(column[~wall], before[name][~wall])


def test_what_the_layout_says_comes_before_background_objects(pipeline):
    scene = pipeline.scene
    names, shown = scene.space.vocabulary.names, scene.published(PostprocessConfig())
    _, before = label_points(scene, shown, "original")
    _, columns = label_points(scene, shown, "original", background=lambda xyz: np.full(len(xyz), names.index("table")))
    free = before["instance_id"] == 0
    assert (columns["label"][free] == names.index("table") + 1).all()
    assert (columns["score"][free] == 0).all()
    assert np.array_equal(columns["label"][~free], before["label"][~free])


def test_floors_and_walls_of_the_layout_are_named_where_the_network_finds_none():
    values = {"vocabulary": ["chair"], "background_labels": ["floor", "wall"], "label_background": True}
    pipeline = make_pipeline(Config().with_values(values))
    scene = pipeline.process(cloud_of(*two_rooms()), Stopwatch()).scene
    assert not scene.objects
    _, columns = label_points(scene, [], "original", background=pipeline.background_of(scene))
    labels = np.array(["", *scene.space.vocabulary.names])[columns["label"]]
    is_floor = np.abs(scene.cloud.xyz[:, 2]) < 0.03
    assert (labels[is_floor] == "floor").mean() > 0.95
    assert (labels[~is_floor] == "wall").mean() > 0.95


def unknown(xyz):
    return np.full(len(xyz), -1)


def _color_of(name):
    return next(color for color, other in NAMES.items() if other == name)
