# SPDX-License-Identifier: Apache-2.0
"""Detections and their labels can be joined, as vision_msgs defines it; with stand-ins of its messages."""

import importlib
import sys
import types

import pytest
from helpers.fakes import ROOM

from spaceformer_ros.geometry.transform import IDENTITY
from spaceformer_ros.ros import messages, vision
from spaceformer_ros.scene.edit_request import EditRequest


def message(name, **defaults):
    """A message class with these fields."""

    def create(self, **values):
        assert set(values) <= set(defaults), values
        vars(self).update({key: make() for key, make in defaults.items()}, **values)

    return type(name, (), {"__init__": create})


@pytest.fixture
def vision_msgs(monkeypatch):
    """The module `vision` with stand-ins of vision_msgs 4, which all distributions have."""
    kinds = types.ModuleType("vision_msgs.msg")
    pose = message("PoseWithCovariance", pose=object)
    kinds.ObjectHypothesis = message("ObjectHypothesis", class_id=str, score=float)
    kinds.ObjectHypothesisWithPose = message("ObjectHypothesisWithPose", hypothesis=kinds.ObjectHypothesis, pose=pose)
    kinds.BoundingBox3D = message("BoundingBox3D", center=object, size=object)
    kinds.Detection3D = message("Detection3D", header=object, results=list, bbox=kinds.BoundingBox3D, id=str)
    kinds.Detection3DArray = message("Detection3DArray", header=object, detections=list)
    kinds.VisionClass = message("VisionClass", class_id=int, class_name=str)
    kinds.LabelInfo = message("LabelInfo", header=object, class_map=list, threshold=float)
    monkeypatch.setitem(sys.modules, "vision_msgs", types.ModuleType("vision_msgs"))
    monkeypatch.setitem(sys.modules, "vision_msgs.msg", kinds)
    yield importlib.reload(vision)
    monkeypatch.undo()
    importlib.reload(vision)


def test_every_class_id_is_a_class_of_label_info(vision_msgs, pipeline, box_cloud):
    published = {}
    outputs = vision_msgs.VisionOutputs(
        lambda kind, name: types.SimpleNamespace(publish=lambda value: published.update({name: value}))
    )
    scene = pipeline.process(box_cloud(ROOM)).scene
    scene, _ = pipeline.edit(EditRequest("rename", (scene.objects[0].id,), label="throne"))  # not in the vocabulary
    array = messages.to_instance_array(scene, scene.objects, IDENTITY, messages.Header(frame_id="map"))
    outputs.publish(array, scene.space.vocabulary.names)
    names = {str(one.class_id): one.class_name for one in published["label_info"].class_map}
    assert sorted(names.values()) == ["chair", "sofa", "table", "throne", "wall"]
    assert not {"0", "65535"} & set(names)
    detections = published["detections"].detections
    assert published["detections"].header == published["label_info"].header
    for detection, item in zip(detections, scene.objects, strict=True):
        assert detection.id == str(item.id)
        found = [(names[result.hypothesis.class_id], result.hypothesis.score) for result in detection.results]
        assert dict(found) == pytest.approx(dict(item.runners_up))
        assert found[0][0] == item.label
