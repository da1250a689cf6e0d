# SPDX-License-Identifier: Apache-2.0
"""Edits by an operator: what they do at once, what inferences make of them, how they are undone and kept."""

import dataclasses

import numpy as np
import pytest
from helpers.fakes import GREEN, NAMES, RED, ROOM, make_pipeline

from spaceformer_ros import SpaceformerError
from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.config import Config
from spaceformer_ros.scene.edit_request import EditError, EditRequest
from spaceformer_ros.scene.file import read_scene
from spaceformer_ros.scene.find import ObjectQuery

VIEWS, OUTSIDE = 1, 2  # maps without an object, and without its place, until it is removed
CHAIR, SOFA, TABLE, WALL = ROOM


@pytest.fixture
def seen(box_cloud):
    """A function: segments a cloud of boxes with a floor in a pipeline; without one it makes it."""
    made = make_pipeline(
        Config().with_values(
            {
                "vocabulary": ["chair", "sofa", "table"],
                "background_labels": ["wall"],
                "fade_views": VIEWS,
                "outside_maps": OUTSIDE,
            }
        )
    )
    line = np.arange(-1.0, 4.6, 0.045)
    floor = np.stack(np.meshgrid(line, line, [0.0]), axis=-1).reshape(-1, 3)

    def see(*rows):
        things = box_cloud(rows or ROOM, points=1800)
        rgb = np.concatenate([things.rgb, np.full((len(floor), 3), 240, np.uint8)])
        return made.process(Cloud(np.concatenate([things.xyz, floor]).astype(np.float32), rgb, "map", 1)).scene

    see()
    return made, see


def labels(scene):
    return {item.id: item.label for item in scene.objects if not item.background}


def id_of(scene, label):
    return next(item.id for item in scene.objects if item.label == label)


def edit(pipeline, operation, *ids, **values):
    return pipeline.edit(EditRequest(operation, tuple(ids), **values))


def test_a_new_name_stays_and_can_be_asked_for(seen):
    pipeline, see = seen
    chair = id_of(pipeline.scene, "chair")
    scene, ids = edit(pipeline, "rename", chair, label="throne")
    assert (labels(scene)[chair], ids) == ("throne", (chair,))
    for now in (scene, see()):
        item = now.find_id(chair)
        assert (item.label, item.label_source, item.label_score) == ("throne", "operator", 1.0)
        assert pipeline.find(ObjectQuery("throne", min_score=0.5), now).matches[0].object.id == chair
    scene, _ = edit(pipeline, "rename", chair)
    assert scene.find_id(chair).label_source == "network"
    edit(pipeline, "undo", count=2)
    assert labels(pipeline.scene)[chair] == "chair"
    assert pipeline.find(ObjectQuery("chair", min_score=0.5), pipeline.scene).matches[0].object.id == chair


@pytest.mark.slow
def test_a_deleted_object_stays_deleted_until_its_place_has_changed(seen):
    pipeline, see = seen
    sofa = id_of(pipeline.scene, "sofa")
    edit(pipeline, "delete", sofa)
    for _ in range(VIEWS + 1):
        assert "sofa" not in labels(see()).values()
    for _ in range(VIEWS + 1):  # its place is seen to be empty
        scene = see(CHAIR, TABLE, WALL)
    assert not scene.deleted
    assert "sofa" in labels(see()).values()
    assert id_of(pipeline.scene, "sofa") != sofa


def test_a_deleted_object_that_moved_is_another_one(seen):
    pipeline, see = seen
    sofa = id_of(pipeline.scene, "sofa")
    edit(pipeline, "delete", sofa)
    (x, y, z), size, color = SOFA
    scene = see(CHAIR, ((x, y + 3.0, z), size, color), TABLE, WALL)
    assert id_of(scene, "sofa") != sofa


def test_deleting_is_taken_back_also_after_more_maps(seen):
    pipeline, see = seen
    sofa = id_of(pipeline.scene, "sofa")
    edit(pipeline, "delete", sofa)
    see()
    edit(pipeline, "undo")
    assert labels(pipeline.scene)[sofa] == labels(see())[sofa] == "sofa"


def test_pinned_objects_are_not_removed(seen):
    pipeline, see = seen
    chair, sofa = id_of(pipeline.scene, "chair"), id_of(pipeline.scene, "sofa")
    edit(pipeline, "pin", chair)
    with pytest.raises(EditError, match="pinned; unpin first") as error:
        edit(pipeline, "delete", chair)
    assert error.value.code == "CONFLICT"
    for _ in range(VIEWS + 1):
        scene = see(TABLE, WALL)
    assert chair in labels(scene)
    assert sofa not in labels(scene)
    edit(pipeline, "unpin", chair)
    for _ in range(VIEWS + 1):
        scene = see(TABLE, WALL)
    assert chair not in labels(scene)


def test_a_scene_with_an_added_object_that_another_one_fills_can_be_saved(seen, tmp_path):
    pipeline, see = seen
    chair = pipeline.scene.find_id(id_of(pipeline.scene, "chair"))
    _, (new,) = edit(pipeline, "add", label="box", position=tuple(chair.box.center), size=(1.0, 1.0, 1.0))
    assert see().find_id(new).missed_views == VIEWS
    pipeline.save(tmp_path / "scene.safetensors")
    assert VIEWS in read_scene(tmp_path / "scene.safetensors").objects["missed_views"]
    edit(pipeline, "unpin", new)
    assert new not in labels(see())


def test_added_objects_stay_and_are_continued_when_they_are_seen(seen):
    pipeline, see = seen
    place, size = (4.0, 3.0, 0.3), (0.5, 0.5, 0.6)
    scene, (new,) = edit(pipeline, "add", label="glass table", position=place, size=size)
    assert np.allclose(scene.box_in_frame(scene.find_id(new)).center, place)
    for _ in range(VIEWS + 1):
        scene = see()
    assert labels(scene)[new] == "glass table"
    with pytest.raises(EditError, match=r"glass table \d+ is at this place"):
        edit(pipeline, "add", label="lamp", position=place, size=size)
    pipeline.segmenter.names = {**NAMES, (9, 9, 9): "sofa"}
    scene = see(*ROOM, (place, size, (9, 9, 9)))
    assert scene.find_id(new).found
    assert labels(scene)[new] == "glass table"
    assert len(labels(scene)) == 4
    edit(pipeline, "undo")
    assert new not in labels(pipeline.scene)


def test_moved_objects_stay_where_the_operator_put_them(seen):
    pipeline, see = seen
    table = id_of(pipeline.scene, "table")
    before = pipeline.scene.find_id(table).box.center
    edit(pipeline, "move", table, position=(4.0, 4.0, 0.4), yaw=0.3)
    for scene in (pipeline.scene, see()):
        assert np.allclose(scene.find_id(table).box.center, (4.0, 4.0, 0.4), atol=0.01)
        assert list(labels(scene).values()).count("table") == 1
    edit(pipeline, "undo")
    assert np.allclose(pipeline.scene.find_id(table).box.center, before, atol=0.05)
    assert list(labels(see()).values()).count("table") == 1


@pytest.mark.slow
def test_merged_objects_stay_one_and_split_ones_two(seen):
    pipeline, see = seen
    left, right = ((3.0, 0.0, 0.4), (1.0, 0.9, 0.8), GREEN), ((4.0, 0.0, 0.4), (1.0, 0.9, 0.8), RED)
    scene = see(left, right, TABLE, WALL)
    sofa, chair = id_of(scene, "sofa"), id_of(scene, "chair")
    for _ in range(VIEWS + 1):
        scene = see(left, right, TABLE, WALL)
    chair = next(item.id for item in scene.objects if item.label == "chair" and item.found)
    scene, _ = edit(pipeline, "merge", sofa, chair)
    assert chair not in labels(scene)
    assert scene.find_id(sofa).box.size[0] > 1.8
    scene = see(left, right, TABLE, WALL)
    assert sum(item.found for item in scene.objects) == 3
    assert scene.find_id(sofa).box.size[0] > 1.8
    with pytest.raises(EditError, match="m apart"):
        edit(pipeline, "merge", sofa, id_of(scene, "table"))
    table = id_of(scene, "table")
    scene, (first, second) = edit(pipeline, "split", table, position=(0.0, 3.0, 0.4))
    assert first == table
    for now in (scene, see(left, right, TABLE, WALL)):
        sizes = [now.find_id(key).box.size[0] for key in (first, second)]
        assert max(sizes) < 0.9
        assert now.find_id(first).label == now.find_id(second).label == "table"
    edit(pipeline, "undo")
    assert pipeline.scene.find_id(table).box.size[0] > 1.2
    assert pipeline.scene.find_id(second) is None


def test_objects_without_points_in_the_current_map_are_not_merged_or_split(seen):
    pipeline, _ = seen
    chair, sofa = id_of(pipeline.scene, "chair"), id_of(pipeline.scene, "sofa")
    for added in ("left box", "right box"):
        edit(pipeline, "add", label=added, position=(20.0, {"l": 0.0, "r": 1.0}[added[0]], 0.5), size=(1.0, 0.9, 1.0))
    boxes = id_of(pipeline.scene, "left box"), id_of(pipeline.scene, "right box")
    for operation, ids in (("merge", boxes), ("split", boxes[:1])):
        with pytest.raises(EditError, match=r"the current map has no points of left box \d+.*: edit it when") as error:
            edit(pipeline, operation, *ids, position=(20.0, 0.0, 0.5))
        assert error.value.code == "CONFLICT"
    assert {chair, sofa} < set(labels(pipeline.scene))


def test_an_edit_that_does_not_apply_changes_nothing(seen):
    pipeline, _ = seen
    scene = pipeline.scene
    cases = [
        (EditRequest("rename", (99,), label="x"), "NOT_FOUND", "no object with id 99"),
        (EditRequest("pin", (1,), expected_revision=7), "CONFLICT", "the scene has changed"),
        (EditRequest("split", (id_of(scene, "table"),), position=(50.0, 0.0, 0.0)), "CONFLICT", "does not divide"),
        (EditRequest("name_room", (4,), label="x"), "NOT_FOUND", "there is no room 4"),
        (EditRequest("undo", count=2**32 - 1), "CONFLICT", "edits cannot be taken back: 0 are known"),
    ]
    for request, code, words in cases:
        with pytest.raises(EditError, match=words) as error:
            pipeline.edit(request)
        assert error.value.code == code
    assert pipeline.scene is scene
    assert pipeline.store.history == ()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"operation": "paint"}, "operation is 'paint'"),
        ({"operation": "rename"}, "rename got ids \\[\\], expected 1"),
        ({"operation": "merge", "ids": (1, 1)}, "merge got ids"),
        ({"operation": "add", "size": (1.0, 1.0, 1.0)}, "the text is empty"),
        ({"operation": "add", "label": "x"}, "size is"),
        ({"operation": "add", "label": "x", "size": (31.0, 1.0, 1.0)}, "size is"),
        ({"operation": "move", "ids": (1,), "position": (np.nan, 0, 0)}, "not finite"),
        ({"operation": "pin", "ids": (1,), "author": "a\nb"}, "printable"),
        ({"operation": "rename", "ids": (1,), "label": "x" * 300}, "300 characters"),
        ({"operation": "rename", "ids": (1,), "label": "??"}, "no letters"),
    ],
)
def test_requests_are_checked(values, words):
    with pytest.raises(SpaceformerError, match=words):
        EditRequest(**values)


def test_edits_survive_a_restart(seen, tmp_path):
    pipeline, see = seen
    chair, sofa, table = (id_of(pipeline.scene, name) for name in ("chair", "sofa", "table"))
    pipeline.edit(EditRequest("rename", (chair,), label="throne", author="Ada"), stamp_ns=7)
    edit(pipeline, "delete", sofa)
    edit(pipeline, "pin", table)
    _, (new,) = edit(pipeline, "add", label="lamp", position=(4.0, 4.0, 0.5), size=(0.4, 0.4, 1.0))
    before = labels(pipeline.scene)
    pipeline.save(tmp_path / "scene.safetensors")
    pipeline.clear()
    scene = pipeline.load(tmp_path / "scene.safetensors")
    assert labels(scene) == before == {chair: "throne", table: "table", new: "lamp"}
    assert scene.find_id(table).pinned
    assert dataclasses.astuple(pipeline.store.history[0])[:2] == (7, "Ada")
    assert labels(see()) == before


def test_edits_are_taken_back_after_a_restart(seen, tmp_path):
    pipeline, see = seen
    chair, sofa, table = (id_of(pipeline.scene, name) for name in ("chair", "sofa", "table"))
    center = pipeline.scene.find_id(table).box.center
    edit(pipeline, "rename", chair, label="throne")
    edit(pipeline, "delete", sofa)
    edit(pipeline, "move", table, position=(4.0, 4.0, 0.4))
    edit(pipeline, "add", label="lamp", position=(4.0, 2.0, 0.5), size=(0.4, 0.4, 1.0))
    pipeline.save(tmp_path / "scene.safetensors")
    pipeline.reset()
    pipeline.load(tmp_path / "scene.safetensors")
    scene, _ = edit(pipeline, "undo", count=4)
    for now in (scene, see()):
        assert labels(now) == {chair: "chair", sofa: "sofa", table: "table"}
        assert np.allclose(now.find_id(table).box.center, center, atol=0.05)
    with pytest.raises(EditError, match="1 edits cannot be taken back: 0 are known"):
        edit(pipeline, "undo")


def test_an_edit_of_another_map_is_not_taken_back_in_this_one(seen, box_cloud):
    pipeline, _ = seen
    edit(pipeline, "delete", id_of(pipeline.scene, "sofa"))
    pipeline.process(dataclasses.replace(box_cloud(ROOM, points=1800), frame_id="attic"))
    with pytest.raises(EditError, match="an edit was made in frame 'map'"):
        edit(pipeline, "undo")


def test_a_deletion_lasts_while_its_place_is_filled_and_while_it_is_outside_the_map(seen, box_cloud):
    pipeline, see = seen
    edit(pipeline, "delete", id_of(pipeline.scene, "sofa"))
    known = pipeline.segmenter.names
    pipeline.segmenter.names = {color: name for color, name in known.items() if name != "sofa"}
    for _ in range(6 * VIEWS):  # the network misses it
        see()
    pipeline.segmenter.names = known
    assert "sofa" not in labels(see()).values()
    for _ in range(OUTSIDE + 1):
        pipeline.process(box_cloud([((40.0, 40.0, 0.4), TABLE[1], TABLE[2])]))
    assert "sofa" not in labels(see()).values()


def test_added_objects_may_be_large_but_not_far_away(seen):
    pipeline, see = seen
    _, (hall,) = edit(pipeline, "add", label="hall", position=(0.0, 0.0, 14.0), size=(30.0, 30.0, 30.0))
    assert labels(see())[hall] == "hall"
    with pytest.raises(SpaceformerError, match="9000000 m from the map's origin"):
        edit(pipeline, "add", label="star", position=(9e6, 0.0, 0.0), size=(1.0, 1.0, 1.0))
