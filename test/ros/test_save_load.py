# SPDX-License-Identifier: Apache-2.0
"""Saving and loading of scenes over DDS: services, startup, shutdown, and errors of disk and file."""

import errno
import json
import os
import threading
import time

import pytest
from helpers.fakes import ROOM, full_disk, make_pipeline
from helpers.ros import Client, wait_until
from lifecycle_msgs.msg import Transition
from rclpy.parameter import Parameter
from sensor_msgs.msg import PointCloud2
from std_srvs.srv import Trigger
from visualization_msgs.msg import Marker, MarkerArray

from spaceformer_ros import pipeline
from spaceformer_ros.ros import autosave, commands, interfaces, session, storage
from spaceformer_ros.ros.health import ERROR
from spaceformer_ros.scene.file import read_scene
from spaceformer_ros.scene.format import KEY
from spaceformer_ros.scene.tensor_file import read_tensors, write_tensors

from .test_node import transition

FindObjects, NodeState = interfaces.FindObjects, interfaces.NodeState
SaveScene, LoadScene, ResultCode = interfaces.SaveScene, interfaces.LoadScene, interfaces.ResultCode
SetVocabulary = interfaces.SetVocabulary


@pytest.fixture
def started(start, client, instances, box_cloud, tmp_path):
    """A function: a node that keeps its scenes in tmp_path and has segmented ROOM."""

    def make(**parameters):
        node = start(**{"data_dir": str(tmp_path), "map_id": "flat", **parameters})
        client.publish(box_cloud(ROOM))
        wait_until(lambda: instances, "instances")
        return node

    return make


def ids_of(array):
    return {instance.label: instance.id for instance in array.instances}


def save(client, **fields):
    reply = client.call(SaveScene, "save", **fields)
    assert reply.code == ResultCode.OK, reply.message
    return reply


def end(node, client):
    """End a node and destroy the publisher of its cloud."""
    client.stop_publishing()
    node.close()
    node.executor.remove_node(node)
    node.destroy_node()  # its services too, which a node keeps while it is not configured


def test_a_new_node_answers_from_the_saved_scene_before_any_cloud(started, start, spinner, client, instances, tmp_path):
    first = started()
    saved = save(client)
    file = tmp_path / "scene.safetensors"
    assert (saved.path, saved.num_bytes) == (str(file), file.stat().st_size)
    assert (saved.map_revision, saved.num_objects) == (1, 4)
    before = instances[-1]
    end(first, client)

    late = Client(spinner(), "late")  # heard nothing of the first node
    kinds = {"instances": interfaces.InstanceArray, "labeled_cloud": PointCloud2, "markers": MarkerArray}
    topics = {topic: late.listen(f"/spaceformer/{topic}", kind) for topic, kind in kinds.items()}
    states = late.listen("/spaceformer/state", NodeState)
    second = start(data_dir=str(tmp_path), map_id="flat", load_on_start=True)
    wait_until(lambda: second.pipeline, "the pipeline")
    reply = late.call(FindObjects, "find_objects", query="couch")
    assert reply.code == ResultCode.OK
    assert [match.instance.label for match in reply.matches] == ["sofa"]
    assert second.session.counters.clouds_received == second.pipeline.segmenter.runs == 0
    array = wait_until(lambda: topics["instances"] and topics["instances"][-1], "latched instances")
    assert repr(array) == repr(before)  # NaN is not equal to itself
    assert wait_until(lambda: topics["labeled_cloud"], "the latched cloud")[-1].width == 16_000
    wait_until(lambda: sum(len(message.markers) for message in topics["markers"]) >= 9, "latched markers")
    wait_until(lambda: states and states[-1].state == NodeState.IDLE, "the state IDLE")


def test_ids_continue_after_a_load(started, start, client, instances, box_cloud, tmp_path):
    first = started()
    client.publish(box_cloud(ROOM[:1], stamp_ns=2_000_000_000))
    wait_until(lambda: instances[-1].map_revision == 2, "the second result")
    given = ids_of(instances[0])
    save(client, path="below/here.safetensors")
    end(first, client)
    start(data_dir=str(tmp_path), scene_file="below/here.safetensors", load_on_start=True)
    wait_until(lambda: len(instances) == 3, "the loaded scene")
    client.publish(box_cloud(ROOM, stamp_ns=3_000_000_000))
    after = wait_until(lambda: instances[-1].map_revision == 3 and instances[-1], "the next result")
    assert ids_of(after) == given  # the sofa and the table were out of the last cloud, not gone


def test_loading_replaces_the_scene_and_is_published(started, client, instances, box_cloud):
    node = started()
    save(client)
    client.publish(box_cloud(ROOM[:1], stamp_ns=2_000_000_000))
    wait_until(lambda: instances[-1].map_revision == 2, "the second result")
    reply = client.call(LoadScene, "load", map_id="flat", frame_id="map")
    assert reply.code == ResultCode.OK, reply.message
    assert (reply.saved_map_id, reply.saved_frame_id, reply.map_revision, reply.num_objects) == ("flat", "map", 3, 4)
    array = wait_until(lambda: instances[-1].map_revision == 3 and instances[-1], "the loaded result")
    assert ids_of(array) == ids_of(instances[0])
    assert array.header.stamp.sec == 1
    assert client.call(Trigger, "clear").success
    assert client.call(LoadScene, "load").code == ResultCode.OK
    client.publish(box_cloud(ROOM[:1], stamp_ns=2_000_000_000))  # the cloud of before is news again
    wait_until(lambda: instances[-1].map_revision == 5, "the next result")
    assert node.pipeline.segmenter.runs == 3


def test_loading_ends_the_highlight(started, client):
    markers = client.listen("/spaceformer/markers", MarkerArray)

    def highlights(action):
        rows = [marker for message in list(markers) for marker in message.markers]
        return {marker.id for marker in rows if marker.ns == "query_boxes" and marker.action == action}

    started()
    save(client)
    client.call(FindObjects, "find_objects", query="sofa", min_score=0.5, highlight=True)
    shown = wait_until(lambda: highlights(Marker.ADD), "a highlight")
    assert client.call(LoadScene, "load").code == ResultCode.OK
    wait_until(lambda: highlights(Marker.DELETE) == shown, "no highlight")


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def change_header(**changes):
    def change(path):
        header, arrays = read_tensors(path, KEY)
        write_tensors(path, KEY, json.loads(json.dumps({**header, **changes})), arrays)

    return change


OTHER_MODEL = {"name": "other", "sha256": "0" * 64, "text_model": "fake@1"}


@pytest.mark.parametrize(
    ("change", "fields", "code", "words"),
    [
        (damage, {}, "FILE_CORRUPT", "SHA-256"),
        (lambda path: path.write_text("hello"), {}, "FILE_CORRUPT", "is not a scene file"),
        (lambda path: path.unlink(), {}, "NOT_FOUND", "there is no file"),
        (lambda path: (path.unlink(), path.mkdir()), {}, "READ_FAILED", "Is a directory"),
        (change_header(version=1), {}, "VERSION_MISMATCH", "version 1"),
        (change_header(model=OTHER_MODEL), {}, "MODEL_MISMATCH", "checkpoint other"),
        (change_header(map_id="office"), {}, "MAP_MISMATCH", "map 'office', expected 'flat'"),
        (None, {"map_id": "office"}, "MAP_MISMATCH", "map 'flat', expected 'office'"),
        (change_header(frame_id="odom"), {}, "FRAME_MISMATCH", "frame 'odom', expected 'map'"),
        (None, {"frame_id": "odom"}, "FRAME_MISMATCH", "frame 'map', expected 'odom'"),
        (None, {"path": "../scene.safetensors"}, "PATH_REFUSED", "outside data_dir"),
        (None, {"path": "scene.yaml"}, "PATH_REFUSED", "does not end with .safetensors"),
    ],
)
def test_a_file_that_does_not_fit_changes_nothing(started, client, instances, tmp_path, change, fields, code, words):
    node = started()
    path = tmp_path / "scene.safetensors"
    save(client)
    if change:
        change(path)
    before = node.pipeline.scene
    reply = client.call(LoadScene, "load", **fields)
    assert (reply.code, reply.num_objects) == (getattr(ResultCode, code), 0)
    assert words in reply.message
    assert node.pipeline.scene is before
    assert client.call(FindObjects, "find_objects", query="sofa").code == ResultCode.OK
    assert len(instances) == 1


def test_saving_outside_the_folder_or_without_a_scene_is_refused(start, client, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link").symlink_to(tmp_path)
    node = start(data_dir=str(tmp_path / "data"))
    wait_until(lambda: node.pipeline, "the pipeline")
    for path in ("../x.safetensors", "link/x.safetensors", str(tmp_path / "x.safetensors")):
        assert client.call(SaveScene, "save", path=path).code == ResultCode.PATH_REFUSED
    reply = client.call(SaveScene, "save")
    assert (reply.code, reply.message) == (ResultCode.NO_MAP_YET, "there is no scene to save yet")
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_parameter_allows_other_paths(started, client, tmp_path):
    started(data_dir=str(tmp_path / "data"), allow_any_path=True)
    path = tmp_path / "elsewhere" / "x.safetensors"
    assert save(client, path=str(path)).path == str(path)
    assert client.call(LoadScene, "load", path=str(path)).code == ResultCode.OK


def test_a_full_disk_is_reported(started, client, tmp_path):
    started()
    save(client)
    before = (tmp_path / "scene.safetensors").read_bytes()
    with full_disk(50_000):
        reply = client.call(SaveScene, "save")
    assert reply.code == ResultCode.WRITE_FAILED
    assert "File too large" in reply.message
    assert (tmp_path / "scene.safetensors").read_bytes() == before
    assert client.call(FindObjects, "find_objects", query="sofa").code == ResultCode.OK
    save(client)


# --- startup and shutdown ---------------------------------------------------------------------------------------------


def test_shutdown_saves_a_new_scene(started, client, instances, box_cloud, tmp_path):
    path = tmp_path / "scene.safetensors"
    node = started(save_on_shutdown=True)
    assert transition(client, Transition.TRANSITION_DEACTIVATE)
    wait_until(path.exists, "the file")
    assert read_scene(path).map_revision == 1
    assert transition(client, Transition.TRANSITION_ACTIVATE)
    client.publish(box_cloud(ROOM[:2], stamp_ns=2_000_000_000))
    wait_until(lambda: instances[-1].map_revision == 2, "the second result")
    node.close()  # as cleanup, shutdown and signals do
    assert read_scene(path).map_revision == 2


def test_the_scene_is_saved_while_the_node_works(started, client, instances, box_cloud, monkeypatch, tmp_path):
    monkeypatch.setattr(autosave, "CHECK_PERIOD", 0.02)
    path = tmp_path / "scene.safetensors"
    node = started(save_on_shutdown=True, autosave_period=0.05)
    wait_until(path.exists, "the file")
    assert read_scene(path).map_revision == 1
    written = path.stat().st_mtime_ns
    node.session.storage.autosave(node.pipeline)
    time.sleep(0.2)
    assert path.stat().st_mtime_ns == written  # nothing new
    assert client.call(SetVocabulary, "set_vocabulary", labels=["settee", "lamp"]).code == ResultCode.OK
    wait_until(lambda: path.stat().st_mtime_ns > written, "the second save")
    assert "settee" in read_scene(path).labels
    assert node.set_parameters([Parameter("autosave_period", value=0.0)])[0].successful
    client.publish(box_cloud(ROOM[:2], stamp_ns=2_000_000_000))
    wait_until(lambda: instances[-1].map_revision == 2, "the second result")
    time.sleep(0.2)
    assert read_scene(path).map_revision == 1


def test_autosave_keeps_a_file_with_many_more_objects_until_the_scene_has_grown(
    started, start, client, instances, box_cloud, monkeypatch, tmp_path
):
    path, beside = tmp_path / "scene.safetensors", tmp_path / "scene.new.safetensors"
    first = started()
    save(client)
    end(first, client)
    before = path.read_bytes()
    monkeypatch.setattr(autosave, "CHECK_PERIOD", 0.02)
    start(data_dir=str(tmp_path), save_on_shutdown=True, autosave_period=0.05)
    client.publish(box_cloud(ROOM[:1], stamp_ns=2_000_000_000))
    wait_until(beside.exists, "the file beside it")
    assert path.read_bytes() == before
    client.publish(box_cloud(ROOM, stamp_ns=3_000_000_000))
    wait_until(lambda: not beside.exists(), "the save")
    assert read_scene(path).map_revision == 2


def test_a_request_to_save_keeps_a_file_with_many_more_objects_beside(started, client, instances, box_cloud, tmp_path):
    path, old = tmp_path / "scene.safetensors", tmp_path / "scene.old.safetensors"
    started()
    save(client)
    before = path.read_bytes()
    client.publish(box_cloud([ROOM[0]], frame_id="camera", points=1))  # a stray one
    wait_until(lambda: instances[-1].header.frame_id == "camera", "the stray cloud")
    for number in range(2):
        message = save(client).message
        remark = (
            "the file before has 4 objects in frame 'map', the current scene is in 'camera': it is kept as scene.old"
        )
        assert (remark in message) == (not number)
        assert (old.read_bytes(), len(read_scene(path).labels)) == (before, 1)
    client.publish(box_cloud(ROOM, stamp_ns=3_000_000_000))
    wait_until(lambda: instances[-1].header.frame_id == "map", "the map")
    assert "kept" not in save(client).message
    assert len(read_scene(path).labels) == 4


def test_autosave_keeps_a_file_of_another_frame(started, client, instances, box_cloud, monkeypatch, tmp_path):
    path, beside = tmp_path / "scene.safetensors", tmp_path / "scene.new.safetensors"
    monkeypatch.setattr(autosave, "CHECK_PERIOD", 0.02)
    started(save_on_shutdown=True, autosave_period=0.05)
    wait_until(path.exists, "the file")
    before = path.read_bytes()
    client.publish(box_cloud(ROOM, frame_id="odom", stamp_ns=2_000_000_000))
    wait_until(beside.exists, "the file beside it")
    assert path.read_bytes() == before
    client.publish(box_cloud(ROOM, stamp_ns=3_000_000_000))
    wait_until(lambda: path.read_bytes() != before, "the save")
    assert read_scene(beside).cloud.frame_id == "odom"


def test_a_disk_that_hangs_gets_one_autosave(started, monkeypatch):
    monkeypatch.setattr(autosave, "CHECK_PERIOD", 0.02)
    gate, calls = threading.Event(), []
    monkeypatch.setattr(storage.Storage, "autosave", lambda *_: (calls.append(1), gate.wait(60)))
    node = started(save_on_shutdown=True, autosave_period=0.02)
    monkeypatch.setattr(autosave, "MAX_DURATION", 0.1)
    wait_until(lambda: calls, "the save")
    wait_until(lambda: "autosave: not done within 0.1 s" in node.session.counters.save_error, "the report")
    time.sleep(0.1)
    assert len(calls) == 1
    gate.set()
    wait_until(lambda: len(calls) > 1, "the next save")
    assert node.session.state.active


@pytest.fixture
def hanging(monkeypatch):
    """A disk whose first save hangs: Events that it has begun, and that it may go on."""
    begun, gate, fsync = threading.Event(), threading.Event(), os.fsync

    def hang(descriptor):
        if not begun.is_set():
            begun.set()
            gate.wait(60)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", hang)
    yield begun, gate
    gate.set()


def test_requests_are_answered_while_an_autosave_hangs(started, client, monkeypatch, hanging):
    node, (begun, gate) = started(save_on_shutdown=True, autosave_period=0.0), hanging
    owner = node.session
    owner.background.submit(owner.storage.autosave, node.pipeline, lane="files")
    assert begun.wait(20)
    monkeypatch.setattr(storage, "MAX_WAIT", 0.1)
    reply = client.call(SaveScene, "save")
    assert (reply.code, "has not ended yet" in reply.message) == (ResultCode.TIMEOUT, True)
    assert client.call(SaveScene, "save", path="other.safetensors").code == ResultCode.OK
    monkeypatch.setattr(storage, "MAX_WAIT", 30.0)
    monkeypatch.setattr(commands, "DISK_SECONDS", 0.2)
    reply = client.call(SaveScene, "save")
    assert (reply.code, "not done within 0.2 s" in reply.message) == (ResultCode.TIMEOUT, True)
    gate.set()
    monkeypatch.setattr(commands, "DISK_SECONDS", 30.0)
    assert client.call(SaveScene, "save").code == ResultCode.OK


def test_an_autosave_that_ends_after_cleanup_does_not_replace_the_next_file(
    started, client, instances, box_cloud, monkeypatch, hanging, tmp_path
):
    monkeypatch.setattr(session, "CLOSE_SECONDS", 0.0)
    monkeypatch.setattr(session, "MIN_SAVE_SECONDS", 0.1)
    node, (begun, gate) = started(save_on_shutdown=True, autosave_period=0.0), hanging
    owner = node.session
    owner.background.submit(owner.storage.autosave, node.pipeline, lane="files")
    assert begun.wait(20)
    assert transition(client, Transition.TRANSITION_DEACTIVATE)
    assert transition(client, Transition.TRANSITION_CLEANUP)
    client.publish(box_cloud(ROOM[:1], stamp_ns=2_000_000_000))
    assert transition(client, Transition.TRANSITION_CONFIGURE)
    assert transition(client, Transition.TRANSITION_ACTIVATE)
    wait_until(lambda: len(instances[-1].instances) == 1, "the next scene")
    save(client)
    gate.set()
    assert owner.background.join(20)  # the first save has ended
    assert len(read_scene(tmp_path / "scene.safetensors").labels) == 1
    assert not list(tmp_path.glob(".*.part"))


def test_a_file_beside_with_many_more_objects_is_kept_too(started, client, instances, box_cloud, tmp_path):
    beside = tmp_path / "scene.new.safetensors"
    node = started(save_on_shutdown=True, autosave_period=0.0)
    (tmp_path / "scene.safetensors").write_bytes(b"of another robot")
    node.session.storage.autosave(node.pipeline)
    before = beside.read_bytes()
    client.call(Trigger, "clear")
    client.publish(box_cloud(ROOM[:1], stamp_ns=2_000_000_000))
    wait_until(lambda: len(instances[-1].instances) == 1, "the stray cloud")
    node.session.storage.autosave(node.pipeline)
    assert beside.read_bytes() == before


def test_a_save_that_failed_is_said_until_one_succeeds(started, client, states, instances, box_cloud):
    node = started(save_on_shutdown=True, autosave_period=0.0)
    owner = node.session
    with full_disk(50_000):
        owner.storage.autosave(node.pipeline)
        client.publish(box_cloud(ROOM[:2], stamp_ns=2_000_000_000))  # inferences do not end the report
        wait_until(lambda: instances[-1].map_revision == 2, "the second result")
        wait_until(lambda: states[-1].state == NodeState.IDLE, "the state IDLE")
        assert "instances, map revision 2" in states[-1].text
        assert "; autosave: " in states[-1].text
        assert "File too large" in states[-1].text
        assert owner._read_status(time.monotonic())[:2] == (ERROR, owner.counters.save_error)
        assert client.call(Trigger, "clear").success
        owner.storage.autosave(node.pipeline)
        assert "File too large" in owner.counters.save_error
        client.publish(box_cloud(ROOM, stamp_ns=3_000_000_000))
        wait_until(lambda: instances[-1].map_revision == 3, "the third result")
        assert client.call(SaveScene, "save").code == ResultCode.WRITE_FAILED
        assert owner.counters.save_error.startswith("save: ")
    save(client)
    assert owner.counters.save_error == ""
    wait_until(lambda: "File too large" not in states[-1].text, "the state without it")


def test_a_request_for_another_file_that_fails_is_not_in_the_diagnostics(started, client):
    node = started()
    with full_disk(50_000):
        assert client.call(SaveScene, "save", path="other.safetensors").code == ResultCode.WRITE_FAILED
    assert node.session.counters.save_error == ""


@pytest.mark.parametrize("stray", [ROOM[:1], None], ids=["replaced", "cleared"])
def test_autosave_writes_the_scene_that_it_has_compared(started, box_cloud, monkeypatch, tmp_path, stray):
    """A scene with fewer objects, or none, that comes after the comparison with the file does not get into it."""
    node = started(save_on_shutdown=True, autosave_period=0.0)
    compare = storage.Storage._reason_to_keep

    def compare_and_replace(*arguments):
        reason = compare(*arguments)
        node.session.clear_scene()
        if stray:
            node.pipeline.process(box_cloud(stray))
        return reason

    monkeypatch.setattr(storage.Storage, "_reason_to_keep", compare_and_replace)
    node.session.storage.autosave(node.pipeline)
    assert len(read_scene(tmp_path / "scene.safetensors").labels) == len(ROOM)
    assert node.session.counters.save_error == ""


def test_a_request_saves_the_scene_that_it_has_compared(started, monkeypatch, tmp_path):
    node, compare, path = started(), storage._loss, tmp_path / "scene.safetensors"

    def compare_and_clear(*arguments):
        loss = compare(*arguments)
        node.session.clear_scene()
        return loss

    monkeypatch.setattr(storage, "_loss", compare_and_clear)
    node.session.storage.save(node.pipeline, path)
    assert len(read_scene(path).labels) == len(ROOM)


def test_cleanup_waits_for_a_save_that_runs(started, monkeypatch, tmp_path):
    node, write, entered = (
        started(save_on_shutdown=True, autosave_period=0.0),
        pipeline.Snapshot.write,
        threading.Event(),
    )

    def write_slowly(*arguments):
        entered.set()
        time.sleep(0.3)
        return write(*arguments)

    monkeypatch.setattr(pipeline.Snapshot, "write", write_slowly)
    owner = node.session

    def autosave(*arguments):
        owner.storage.autosave(*arguments)
        time.sleep(0.1)  # a thread ends some time after its save

    owner.background.submit(autosave, node.pipeline, lane="files")
    assert entered.wait(20)
    assert node.close()
    assert owner.perception.pipeline is None  # its memory is free
    assert read_scene(tmp_path / "scene.safetensors").map_revision == 1


def test_shutdown_keeps_a_file_with_many_more_objects(started, start, client, box_cloud, tmp_path):
    path = tmp_path / "scene.safetensors"
    first = started()
    save(client)
    end(first, client)
    before = path.read_bytes()
    second = start(data_dir=str(tmp_path), save_on_shutdown=True)
    client.publish(box_cloud(ROOM[:1], stamp_ns=2_000_000_000))
    wait_until(lambda: second.pipeline and second.pipeline.scene, "a scene")
    second.close()
    assert path.read_bytes() == before
    assert len(read_scene(tmp_path / "scene.new.safetensors").labels) == 1


def test_shutdown_keeps_a_file_that_another_node_wrote(started, client, box_cloud, instances, tmp_path):
    path, other = tmp_path / "scene.safetensors", b"of another robot"
    node = started(save_on_shutdown=True)
    path.write_bytes(other)
    assert transition(client, Transition.TRANSITION_DEACTIVATE)
    wait_until((tmp_path / "scene.new.safetensors").exists, "the file")
    path.unlink()
    node.close()
    assert read_scene(path).map_revision == 1  # though the scene was saved: its file is gone


def test_without_the_parameter_nothing_is_written(started, client, tmp_path):
    started()
    assert transition(client, Transition.TRANSITION_DEACTIVATE)
    assert transition(client, Transition.TRANSITION_CLEANUP)
    assert list(tmp_path.iterdir()) == []


def test_shutdown_without_a_scene_keeps_the_file(started, start, client, tmp_path):
    first = started()
    save(client)
    end(first, client)
    before = (tmp_path / "scene.safetensors").read_bytes()
    second = start(data_dir=str(tmp_path), save_on_shutdown=True)
    wait_until(lambda: second.pipeline, "the pipeline")
    second.close()
    assert (tmp_path / "scene.safetensors").read_bytes() == before


def test_a_full_disk_does_not_stop_a_shutdown(started, tmp_path):
    node = started(save_on_shutdown=True)
    session = node.session
    with full_disk(50_000):
        node.close()
    assert "save_on_shutdown" in session.counters.save_error
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_reported_at_the_start(start, tmp_path):
    (tmp_path / "file").write_text("")
    node = start(data_dir=str(tmp_path / "file" / "below"), save_on_shutdown=True)
    wait_until(lambda: node.pipeline, "the pipeline")
    expected = f"save_on_shutdown: {tmp_path}/file/below cannot be written: Not a directory"
    assert node.session.counters.save_error == expected


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"data_dir": "~nosuchuser/scenes"}, "the home folder is not known"),
        ({"scene_file": "scene.txt"}, "does not end with .safetensors"),
        ({"scene_file": "../scene.safetensors"}, "outside data_dir"),
    ],
)
def test_paths_are_checked_when_the_node_is_configured(start, tmp_path, monkeypatch, parameters, words):
    node, errors = start(active=False, **{"data_dir": str(tmp_path), **parameters}), []
    monkeypatch.setattr(node.get_logger(), "error", errors.append)
    assert node.trigger_configure().name == "FAILURE"
    assert "data_dir, scene_file: " in errors[0]
    assert words in errors[0]


def test_a_disk_that_hangs_does_not_stop_a_shutdown(started, monkeypatch):
    node, gate = started(save_on_shutdown=True), threading.Event()
    owner = node.session
    monkeypatch.setattr(session, "CLOSE_SECONDS", 0.0)
    monkeypatch.setattr(session, "MIN_SAVE_SECONDS", 0.2)
    monkeypatch.setattr(owner.storage, "save_on_shutdown", lambda pipeline: gate.wait(60))
    assert not node.close()  # the process then ends without waiting for the thread
    assert owner.counters.save_error == "save_on_shutdown: not done within 0.2 s; check the disk of that file"
    gate.set()


def test_a_scene_of_another_setting_of_the_input_is_reported(started, start, client, tmp_path):
    first = started()
    save(client)
    end(first, client)
    second = start(data_dir=str(tmp_path), load_on_start=True, input_up="y", input_scale=0.001)
    wait_until(lambda: second.pipeline, "the pipeline")
    up, scale = second.session.counters.remarks
    assert "was made with input_up z, now it is y: the next cloud will not fit it" in up
    assert "was made with input_scale 1.0, now it is 0.001" in scale


def test_a_first_start_without_a_file_is_not_an_error(start, client, states, tmp_path):
    node = start(data_dir=str(tmp_path), load_on_start=True)
    wait_until(lambda: states and states[-1].state == NodeState.WAITING_FOR_CLOUD, "the running node")
    assert node.session.counters.last_error == ""


@pytest.mark.parametrize("change", [damage, change_header(model=OTHER_MODEL)])
def test_a_file_that_is_refused_at_the_start_is_reported_and_kept(
    started, start, client, states, instances, box_cloud, tmp_path, change, monkeypatch
):
    """Also where there are no links, as on FAT and some network disks."""

    def refuse(*_, **__):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(os, "symlink", refuse)
    path = tmp_path / "scene.safetensors"
    first = started()
    save(client)
    end(first, client)
    change(path)
    before = path.read_bytes()
    second = start(data_dir=str(tmp_path), load_on_start=True, save_on_shutdown=True)
    wait_until(lambda: states[-1].state == NodeState.WAITING_FOR_CLOUD, "the running node")
    assert "load_on_start: " in second.session.counters.last_error
    client.publish(box_cloud(ROOM[:1], stamp_ns=2_000_000_000))
    wait_until(lambda: second.pipeline.scene, "a scene")
    second.close()
    assert path.read_bytes() == before
    assert len(read_scene(tmp_path / "scene.new.safetensors").labels) == 1


def test_a_scene_that_cannot_be_published_is_still_loaded(started, start, client, tmp_path):
    first = started()
    save(client)
    end(first, client)
    node = start(data_dir=str(tmp_path), load_on_start=True, target_frame="nowhere", tf_timeout=0.0)
    wait_until(lambda: node.pipeline, "the pipeline")
    assert "no transform from 'map' to 'nowhere'" in node.session.counters.last_error
    assert client.call(FindObjects, "find_objects", query="sofa").code == ResultCode.OK
    reply = client.call(LoadScene, "load")
    assert (reply.code, node.pipeline.scene.map_revision) == (ResultCode.TF_FAILED, 2)


def test_both_services_wait_for_the_model(start, client, tmp_path):
    import threading

    gate = threading.Event()

    def build(settings, progress):
        assert gate.wait(20)
        return make_pipeline(settings)

    start(build, data_dir=str(tmp_path))
    assert client.call(SaveScene, "save").code == ResultCode.MODEL_NOT_READY
    assert client.call(LoadScene, "load").code == ResultCode.MODEL_NOT_READY
    gate.set()


def test_storage_parameters_change_only_while_unconfigured(start, client, tmp_path):
    from rcl_interfaces.srv import SetParameters

    start(data_dir=str(tmp_path))
    request = [Parameter("allow_any_path", value=True).to_parameter_msg()]
    assert not client.call(SetParameters, "set_parameters", parameters=request).results[0].successful
