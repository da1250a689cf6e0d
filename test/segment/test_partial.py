# SPDX-License-Identifier: Apache-2.0
"""Partial scenes of a large map, and that the complete result does not depend on them."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.halls import hall_pipeline, make_hall

from spaceformer_ros import Cancelled, SpaceformerError, StorageError
from spaceformer_ros.pipeline import Observer
from spaceformer_ros.words.vocabulary import Vocabulary

LEFT, RIGHT = (0, 1, 2, 3, 4), (6, 7, 9, 10, 11)  # places of boxes


class Recorder(Observer):
    """Keeps partial scenes; on_partial may be replaced."""

    def __init__(self, react=None):
        self.partial, self.react = [], react

    def wants_partial(self):
        return True

    def on_partial(self, scene):
        self.partial.append(scene)
        if self.react:
            self.react(scene)


def process(made, cloud):
    """The Outcome, and the partial scenes before it."""
    recorder = Recorder()
    return made.process(cloud, observer=recorder), recorder.partial


def ids(scene):
    return {item.id for item in scene.objects}


def facts(scene):
    return [(item.id, item.row, item.label, item.num_observations, item.missed_views) for item in scene.objects]


@pytest.mark.slow
def test_partial_scenes_are_prefixes_of_the_result():
    with_partial, without = hall_pipeline(), hall_pipeline()
    maps = [make_hall(), make_hall(boxes=LEFT, shade=240), make_hall(shade=230), make_hall(16.0, shade=230)]
    for number, cloud in enumerate(maps):
        before = ids(with_partial.scene) if number else set()
        outcome, shown = process(with_partial, cloud)
        scene, other = outcome.scene, without.process(cloud).scene
        assert facts(scene) == facts(other)
        assert len(shown) == outcome.tiles_computed - 1 > 1
        assert (scene.partial, {one.partial for one in shown}) == (False, {True})
        revisions = [one.map_revision for one in (*shown, scene)]
        assert revisions == list(range(revisions[0], revisions[0] + len(revisions)))
        final = {item.id: item for item in scene.objects}
        for one, later in zip(shown, (*shown[1:], scene)):
            assert ids(one) - before <= ids(later)  # what is new stays
        for item in (item for one in shown for item in one.objects if item.found):
            assert final[item.id].label == item.label
            np.testing.assert_array_equal(final[item.id].box.center, item.box.center)
    assert len(scene.objects) >= 16


def test_new_objects_appear_tile_by_tile():
    outcome, shown = process(hall_pipeline(), make_hall())
    scene = outcome.scene
    counts = [len(one.objects) for one in (*shown, scene)]
    assert counts == sorted(counts)
    assert 0 < counts[2] < counts[-2] < counts[-1]
    assert len(ids(scene)) == counts[-1]


def test_pending_tiles_do_not_count_as_missing():
    made = hall_pipeline()
    known = {item.id: item for item in process(made, make_hall())[0].scene.objects}
    outcome, shown = process(made, make_hall(boxes=RIGHT, shade=240))
    for one in shown:
        assert set(known) <= ids(one)
        missing = [item for item in one.objects if not item.found]
        assert missing
        assert all(item.missed_views == known[item.id].missed_views == 0 for item in missing)
    assert any(item.missed_views > 0 for item in outcome.scene.objects)


def break_at(made, tile, error):
    """Let the network fail at a tile, once."""
    tiles = iter(range(1, 1000))

    def before():
        if next(tiles) == tile:
            raise error

    made.segmenter.backend.before = before


def test_an_error_keeps_the_partial_scene_and_its_ids_are_not_reused(tmp_path):
    made, recorder = hall_pipeline(), Recorder()
    break_at(made, 5, SpaceformerError("the fifth tile fails"))
    with pytest.raises(SpaceformerError, match="fifth"):
        made.process(make_hall(), observer=recorder)
    shown = recorder.partial
    assert made.scene is shown[-1]
    assert made.is_partial
    with pytest.raises(StorageError, match="no scene to save"):
        made.save(tmp_path / "scene.safetensors")
    scene = made.process(make_hall(shade=240)).scene
    assert min(ids(scene)) > max(ids(shown[-1])) > 0
    assert not made.is_partial


def test_smaller_tiles_after_running_out_of_memory_keep_ids():
    made = hall_pipeline()
    break_at(made, 5, MemoryError())
    outcome, shown = process(made, make_hall())
    assert "out of memory" in outcome.remarks[0]
    scene = outcome.scene
    label = {}
    for item in (item for one in (*shown, scene) for item in one.objects):
        mask = item.label, tuple(item.centroid)
        assert label.setdefault(item.id, mask) == mask
    assert len(ids(scene)) == len(scene.objects)


def test_a_new_vocabulary_relabels_partial_and_complete_scene():
    made = hall_pipeline()
    process(made, make_hall())

    def rename(scene):
        made.set_vocabulary(Vocabulary.parse(["thing", "matter"]))
        assert made.scene.partial
        assert {item.label for item in (*made.scene.objects, *made.store.complete.objects)} <= {"thing", "matter"}
        raise Cancelled("enough")

    with pytest.raises(Cancelled, match="enough"):
        made.process(make_hall(shade=240), observer=Recorder(rename))


def test_a_clear_ends_a_running_inference_at_the_next_tile():
    made = hall_pipeline()

    def clear(scene):
        if len(scene.objects):
            made.clear()

    recorder = Recorder(clear)
    with pytest.raises(Cancelled):
        made.process(make_hall(), observer=recorder)
    assert made.scene is None
    scene = made.process(make_hall()).scene
    assert min(ids(scene)) > max(ids(recorder.partial[-1]))


@pytest.mark.slow
def test_a_reset_starts_ids_and_revisions_again():
    made = hall_pipeline()
    first = made.process(make_hall()).scene
    made.reset()
    again = made.process(make_hall()).scene
    assert (facts(again), again.map_revision) == (facts(first), first.map_revision)
    made.clear()
    assert min(ids(made.process(make_hall()).scene)) > max(ids(again))


def test_a_map_that_is_too_large_is_refused_with_what_is_wrong_with_it():
    hall = make_hall(20.0)
    cloud = replace(hall, xyz=hall.xyz * np.float32(1000))
    with pytest.raises(SpaceformerError, match=r"the limit is .*; the map is 440 m high: .*set input_scale"):
        hall_pipeline().process(cloud)
