# SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace

import numpy as np
import pytest

from spaceformer_ros.config import OutputConfig
from spaceformer_ros.geometry.boxes import OrientedBox
from spaceformer_ros.scene.approach import Approach
from spaceformer_ros.scene.find import Answer, Match
from spaceformer_ros.show.colors import stable_color
from spaceformer_ros.show.markers import DELETIONS_KEPT, MarkerTracker, highlights_for, query_markers, scene_markers


def thing(object_id, label="chair", center=(1.0, 2.0, 0.5)):
    box = OrientedBox(np.array(center), np.array([1.0, 0.5, 0.8]), 0.3)
    return SimpleNamespace(id=object_id, label=label, score=0.5, box=box, centroid=np.array(center))


def test_texts_show_the_confidence_or_the_score_that_is_not_calibrated():
    (_, text, _) = scene_markers([thing(1)], OutputConfig(), lambda item: 0.876)
    assert text.text.endswith(" 0.88")
    (_, text, _) = scene_markers([thing(1)], OutputConfig())
    assert text.text.endswith(" (score 0.50)")


def test_every_object_has_a_box_a_text_and_a_centroid_with_its_id():
    records = scene_markers([thing(7)], OutputConfig())
    assert [(record.namespace, record.id) for record in records] == [("boxes", 7), ("labels", 7), ("centroids", 7)]
    box, text, centroid = records
    assert len(box.points) == 24
    assert np.allclose(np.ptp(np.array(box.points), axis=0), (1.0, 0.5, 0.8))
    assert box.yaw == 0.3
    assert text.text == "chair (score 0.50)"
    assert text.position[2] > 0.9
    assert centroid.position == (1.0, 2.0, 0.5)


def test_style_settings():
    style = OutputConfig(marker_boxes="cubes", marker_alpha=0.25, marker_text="#{id} {size}")
    (box, text, _) = scene_markers([thing(1)], style)
    assert (box.shape, box.size, box.points, box.color[3]) == ("cube", (1.0, 0.5, 0.8), None, 0.25)
    assert text.text == "#1 1.0 x 0.5 x 0.8 m"


def test_colors_depend_on_the_name_alone():
    assert stable_color("chair") == stable_color("chair") == pytest.approx((0.7617, 0.8105, 0.2942), abs=0.5)
    assert len({stable_color(name) for name in ("chair", "sofa", "table", "door")}) == 4


def keys(records):
    return {(record.namespace, record.id) for record in records}


def test_only_removed_markers_are_deleted():
    tracker = MarkerTracker()
    added, deleted = tracker.update(scene_markers([thing(1), thing(2)], OutputConfig()))
    assert (len(added), deleted) == (6, [])
    assert tracker.update(scene_markers([thing(1), thing(2)], OutputConfig())) is None
    added, deleted = tracker.update(scene_markers([thing(2)], OutputConfig()))
    assert added == []
    assert keys(tracker.sent()[0]) == {("boxes", 2), ("labels", 2), ("centroids", 2)}
    assert set(deleted) == {("boxes", 1), ("labels", 1), ("centroids", 1)}


def test_deletions_are_repeated_unless_the_marker_returns():
    tracker = MarkerTracker()
    tracker.update(scene_markers([thing(1)], OutputConfig()))
    for step in range(DELETIONS_KEPT):
        _, deleted = tracker.update(scene_markers([thing(2, center=(step, 0.0, 0.0))], OutputConfig()))
        assert ("boxes", 1) in deleted
    _, deleted = tracker.update(scene_markers([thing(2, center=(99.0, 0.0, 0.0))], OutputConfig()))
    assert deleted == []
    tracker.update(scene_markers([], OutputConfig()))
    added, deleted = tracker.update(scene_markers([thing(2)], OutputConfig()))
    assert ("boxes", 2) in keys(added)
    assert deleted == []


def test_only_changed_markers_are_sent_again_unless_all_are_asked_for():
    tracker = MarkerTracker()
    tracker.update(scene_markers([thing(1), thing(2)], OutputConfig()))
    added, deleted = tracker.update(scene_markers([thing(1, "sofa"), thing(2)], OutputConfig()))
    assert ({record.id for record in added}, deleted) == ({1}, [])
    assert ("labels", 1) in keys(added)
    added, _ = tracker.update(scene_markers([thing(1), thing(2)], OutputConfig()), complete=True)
    assert len(added) == 6
    assert tracker.update(scene_markers([thing(1), thing(2)], OutputConfig()), complete=True) is None


def test_another_frame_sends_everything_again():
    tracker, records = MarkerTracker(), scene_markers([thing(1)], OutputConfig())
    tracker.update(records, "map")
    assert tracker.update(records, "map") is None
    assert len(tracker.update(records, "odom")[0]) == 3


def scene_of(*things):
    return SimpleNamespace(find_id=lambda wanted: next((item for item in things if item.id == wanted), None))


def answer(text, *things):
    return Answer(text, [Match(item, 0.5, np.nan) for item in things])


def test_a_highlight_has_a_box_its_text_and_an_approach_arrow():
    one, two = thing(1), thing(2, center=(4.0, 2.0, 0.5))
    approaches = {1: Approach(np.array([1.0, 3.0, 0.0]), -1.5), 2: None}
    highlights = highlights_for([answer("couch", one, two)], approaches)
    records = query_markers(scene_of(one, two), highlights, OutputConfig())
    assert [(record.namespace, record.id) for record in records] == [
        *(("query_boxes", 1), ("query_labels", 1), ("query_poses", 1)),
        *(("query_boxes", 2), ("query_labels", 2)),
    ]
    box, text, arrow = records[:3]
    (own, label, _) = scene_markers([one], OutputConfig())
    assert (np.ptp(np.array(box.points), axis=0) > np.ptp(np.array(own.points), axis=0)).all()
    assert box.size[0] > own.size[0]
    assert (box.yaw, box.position) == (own.yaw, own.position)
    assert (text.text, records[4].text) == ("1. couch", "2. couch")
    assert text.position[2] - label.position[2] >= OutputConfig().marker_text_height  # they do not overlap
    assert (arrow.shape, arrow.yaw, arrow.position[:2]) == ("arrow", -1.5, (1.0, 3.0))


def test_an_object_that_answers_several_texts_is_highlighted_once_with_all_of_them():
    one, two = thing(1), thing(2)
    highlights = highlights_for([answer("couch", one), answer("furniture", two, one)], {})
    assert {item.object_id: item.text for item in highlights} == {1: "1. couch, 2. furniture", 2: "1. furniture"}


def test_removed_objects_are_not_highlighted():
    one = thing(1)
    highlights = highlights_for([answer("couch", one, thing(2))], {})
    assert {record.id for record in query_markers(scene_of(one), highlights, OutputConfig())} == {1}
    assert query_markers(scene_of(), highlights, OutputConfig()) == []
