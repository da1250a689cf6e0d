# SPDX-License-Identifier: Apache-2.0
"""Invalid and excessive requests and parameters never end the node, and one client cannot starve the others."""

import importlib
import os
import threading
import time

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from helpers.fakes import ROOM, FakeEmbedder, make_pipeline
from helpers.ros import wait_until
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter

from spaceformer_ros.clouds.pointcloud2 import cloud_columns
from spaceformer_ros.ros import embedding, interfaces, messages, parameters, qos, queries
from spaceformer_ros.ros.background import LANES
from spaceformer_ros.ros.limits import MAX_SELECTED
from spaceformer_ros.ros.time_limit import TimeLimit
from spaceformer_ros.scene.data_dir import scene_path

EmbedText, FindObjects, GetInstances = interfaces.EmbedText, interfaces.FindObjects, interfaces.GetInstances
ResultCode, SaveScene, SetVocabulary = interfaces.ResultCode, interfaces.SaveScene, interfaces.SetVocabulary
RenderView, ShowRelevancy = interfaces.RenderView, interfaces.ShowRelevancy


class SlowEmbedder(FakeEmbedder):
    """Embeds the texts that begin with "slow" one by one, under a lock, as a real text model does."""

    def __init__(self, seconds):
        self.seconds, self.lock, self.entered = seconds, threading.Lock(), threading.Event()
        self.embedded = 0  # texts that begin with "slow"

    def embed(self, texts):
        with self.lock:
            slow = [text for text in texts if text.startswith("slow")]
            if slow:
                self.entered.set()
                time.sleep(self.seconds * len(slow))
                self.embedded += len(slow)
            return super().embed(texts)


def transition(client, **fields):
    return client.call(ChangeState, "change_state", transition=Transition(**fields)).success


def test_transitions_that_do_not_apply_are_answered(start, client):
    start()
    for number in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE, 99):
        assert not transition(client, id=number)
    assert not transition(client, label="no such transition")
    assert client.call(GetState, "get_state").current_state.label == "active"


def test_services_of_an_unconfigured_node_say_so(start, client):
    start(active=False)
    reply = client.call(FindObjects, "find_objects", query="sofa")
    assert (reply.code, "not configured" in reply.message) == (ResultCode.NOT_ACTIVE, True)


def test_a_cleanup_answers_running_requests(start, client, instances, box_cloud):
    node = start()
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    embedder = node.pipeline.embedder = SlowEmbedder(0.1)
    answers = [client.call_later(EmbedText, "embed_text", texts=["slow"] * 8) for _ in range(3)]
    assert embedder.entered.wait(20)
    assert transition(client, id=Transition.TRANSITION_DEACTIVATE)
    assert transition(client, id=Transition.TRANSITION_CLEANUP)
    replies = [answer() for answer in answers]
    assert {reply.code for reply in replies} == {ResultCode.NOT_ACTIVE}
    assert "cleaned up" in replies[0].message
    assert transition(client, id=Transition.TRANSITION_CONFIGURE)


FILES = {  # vocabulary files that cannot be used
    "date.yaml": "labels: [2024-13-45]",
    "tag.yaml": "labels: [!!int x]",
    "deep.yaml": "labels: " + 5000 * "[",
    "python.yaml": "labels: !!python/object/apply:os.system ['true']",
    "aliases.yaml": "a: &a [x, x]\nlabels: *a",
    "keys.yaml": "{labels: [a], templates: ['{} {x}']}",
    "attributes.yaml": "{labels: [a], templates: ['{0.__class__}']}",
    "numbers.yaml": "labels: [1, 2]",
    "twice.yaml": "labels: [chair, chair]",
    "long.yaml": f"labels: [{300 * 'x'}]",
    "large.yaml": f"labels: [{', '.join(f'label {i}' for i in range(10_001))}]",
}
UNUSABLE = [
    *(("marker_text", text) for text in ("{label.x}", "{score[0]}", "{label:1000000000}", "{label!r:{id}}", "{", "{}")),
    *(("vocabulary_file", path) for path in ("~nosuchuser/words.yaml", "/nowhere\x00.yaml", "/dev/zero", "/", "pipe")),
    *(("vocabulary_file", name) for name in FILES),
    ("vocabulary", ["a", "a"]),
    ("vocabulary", "chair, sofa"),
    ("vocabulary", ["so\x1bfa"]),
    ("vocabulary", ["x" * 5_000_000]),
    ("score_threshold", float("nan")),
    ("max_points", 2**63 - 1),
    ("rgb_mode", True),
    ("map_id", 5),
]


def test_parameters_that_cannot_be_used_are_refused(start, client, tmp_path):
    node = start(vocabulary=[""], background_labels=[""])
    before = node.settings.config
    os.mkfifo(tmp_path / "pipe")
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    for name, value in UNUSABLE:
        used = str(tmp_path / value) if value == "pipe" or (name == "vocabulary_file" and value in FILES) else value
        change = Parameter(name, value=used).to_parameter_msg()
        (result,) = client.call(SetParameters, "set_parameters", parameters=[change]).results
        assert (result.successful, bool(result.reason)) == (False, True), (name, value)
        assert len(result.reason) < 1000
        assert result.reason.isprintable()
    assert node.settings.config == before


def test_a_disk_that_hangs_does_not_hang_the_node(start, client, monkeypatch):
    node, gate = start(vocabulary=[""], background_labels=[""]), threading.Event()
    wait_until(lambda: node.pipeline, "the pipeline")
    monkeypatch.setattr(parameters, "vocabulary_of", lambda config: gate.wait(60))
    node._live_parameters._file_limit = TimeLimit(0.2, "vocabulary_file")
    change = Parameter("vocabulary_file", value="/network/words.yaml").to_parameter_msg()

    def refused():
        (result,) = client.call(SetParameters, "set_parameters", parameters=[change]).results
        assert not result.successful
        return result.reason

    assert "not done within 0.2 s" in refused()
    assert "an earlier call has not returned yet" in refused()
    monkeypatch.undo()
    gate.set()
    wait_until(lambda: "there is no file" in refused(), "the next read")


def test_many_texts_do_not_keep_a_query_waiting(start, client, instances, box_cloud):
    node = start()
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    client.call(FindObjects, "find_objects", query="sofa")  # connects
    embedder = node.pipeline.embedder = SlowEmbedder(0.001)
    done = client.call_later(EmbedText, "embed_text", texts=[f"slow {i}" + "x" * 150 for i in range(1000)])  # 1 s
    assert embedder.entered.wait(20)
    assert client.call(FindObjects, "find_objects", query="sofa").code == ResultCode.OK
    assert embedder.embedded < 1000
    reply = done()
    assert np.array(reply.values).reshape(1000, reply.dim).shape[0] == 1000


@pytest.mark.parametrize(
    ("kind", "name", "fields"),
    [
        (FindObjects, "find_objects", {"queries": ["sofa"] * 32}),
        (FindObjects, "find_objects", {"query": "sofa", "with_approach": True}),
        (FindObjects, "find_objects", {"query": "x" * 190}),
        (ShowRelevancy, "show_relevancy", {"query": "sofa"}),
        (RenderView, "render_view", {}),
    ],
)
def test_long_requests_do_not_keep_a_query_waiting(
    start, client, instances, box_cloud, monkeypatch, kind, name, fields
):
    start()
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    gate, place = threading.Event(), f"{'view_' * (name == 'render_view')}queries"
    function = {"find_objects": "_find", "show_relevancy": "_show_relevancy", "render_view": "_draw"}[name]
    module = importlib.import_module(f"spaceformer_ros.ros.{place}")
    known, running = getattr(module, function), []

    def slow(*arguments):
        if not threading.current_thread().name.startswith("spaceformer_queries"):
            running.append(arguments)
            assert gate.wait(20)
        return known(*arguments)

    monkeypatch.setattr(module, function, slow)
    answers = [client.call_later(kind, name, **fields) for _ in range(8)]
    wait_until(lambda: running, "the first of them")
    assert client.call(FindObjects, "find_objects", query="sofa").code == ResultCode.OK
    gate.set()
    assert {answer().code for answer in answers} <= {ResultCode.OK, ResultCode.NOT_FOUND}


def test_frames_that_do_not_exist_do_not_keep_a_query_waiting(start, client, instances, box_cloud):
    node = start()
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    transforms, gate, waiting = node.session.transforms, threading.Event(), []

    def lookup(target, source, stamp, timeout, known=transforms.timed_lookup):
        if target.startswith("nowhere") and timeout:
            waiting.append(target)
            assert gate.wait(20)
        return known(target, source, stamp, timeout)

    transforms.timed_lookup = lookup
    frames = [f"nowhere{i}" for i in range(64)]
    answers = [client.call_later(FindObjects, "find_objects", query="sofa", target_frame=frame) for frame in frames]
    wait_until(lambda: len(waiting) == LANES["transforms"], "all threads that wait for transforms")
    for target in ("", "map"):
        assert client.call(FindObjects, "find_objects", query="sofa", target_frame=target).code == ResultCode.OK
    gate.set()
    assert {answer().code for answer in answers} == {ResultCode.TF_FAILED}


def test_too_many_new_labels_are_answered_and_go_on_where_they_stopped(start, client, monkeypatch):
    monkeypatch.setattr(embedding, "EMBED_SECONDS", 0.3)
    node = start()
    wait_until(lambda: node.pipeline, "the pipeline")
    node.pipeline.embedder = SlowEmbedder(0.005)
    reply = client.call(SetVocabulary, "set_vocabulary", labels=[f"slow {i}" for i in range(9000)])  # 45 s
    assert (reply.code, "of 9001 texts were embedded in 0.3 s" in reply.message) == (ResultCode.TIMEOUT, True)
    assert node.pipeline.space.vocabulary.labels == ("chair", "sofa", "table")
    assert client.call(SetVocabulary, "set_vocabulary", labels=["lamp"]).code == ResultCode.OK


def test_saves_that_wait_for_the_disk_do_not_keep_a_query_waiting(start, client, instances, box_cloud, tmp_path):
    node = start(data_dir=str(tmp_path))
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    client.call(FindObjects, "find_objects", query="sofa")  # connects
    with node.session.storage._using(scene_path("", node.settings.config.storage)):
        answers = [client.call_later(SaveScene, "save") for _ in range(20)]
        assert client.call(FindObjects, "find_objects", query="sofa").code == ResultCode.OK
    assert {answer().code for answer in answers} == {ResultCode.OK}


def test_text_from_outside_is_escaped_and_shortened(start, client, states, box_cloud, tmp_path, capfd):
    found = client.listen("/diagnostics", DiagnosticArray, qos.EVENTS)
    node = start(data_dir=str(tmp_path))
    cloud = messages.to_cloud_message(messages.Header(frame_id="map"), cloud_columns(box_cloud(ROOM[:1], points=10)))
    for field in cloud.fields:
        field.name = field.name + "x" * 5_000_000 + "\n[ERROR] forged\x1b[31m"
    client.publish(cloud)
    wait_until(lambda: states and states[-1].state == interfaces.NodeState.ERROR, "the refusal")
    wait_until(lambda: found and found[-1].status[0].level == DiagnosticStatus.ERROR, "diagnostics")
    status = found[-1].status[0]
    for path in ("a\n[ERROR] forged\x1b[31m.safetensors", "x" * 100_000, "\u202eevil\u2028.safetensors"):
        reply = client.call(SaveScene, "save", path=path)
        assert reply.code in (ResultCode.PATH_REFUSED, ResultCode.NO_MAP_YET)
        assert (len(reply.message) < 2000, reply.message.isprintable(), reply.path) == (True, True, "")
    texts = [states[-1].text, status.message, *(value.value for value in status.values)]
    assert all(text.isprintable() for text in texts)
    assert sum(map(len, texts)) < 5000
    log = capfd.readouterr().err
    assert "\n[ERROR] forged" not in log
    assert "\x1b[31m" not in log.replace("\x1b[31m[ERROR]", "")  # rcutils' own colours
    assert len(log) < 20_000
    assert node.session.counters.clouds_failed == 1


def test_too_many_ids_are_refused_and_long_lists_are_shortened(start, client, instances, box_cloud):
    start()
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    reply = client.call(GetInstances, "get_instances", ids=list(range(1, MAX_SELECTED + 2)))
    assert reply.code == ResultCode.INVALID_REQUEST
    reply = client.call(GetInstances, "get_instances", ids=list(range(100, MAX_SELECTED)))
    assert (reply.code, len(reply.message) < 300) == (ResultCode.NOT_FOUND, True)
    assert " more" in reply.message


def test_the_node_survives_an_exception_of_a_callback():
    from spaceformer_ros.ros import node as module

    class Executor:
        rounds = 0

        def spin(self):
            self.rounds += 1
            if self.rounds < 3:
                raise RuntimeError("a callback failed")
            raise module.ExternalShutdownException

    class Logger:
        lines = []  # noqa: RUF012

        def error(self, text, **_):
            self.lines.append(text)

    executor, ok = Executor(), module.rclpy.ok
    module.rclpy.ok = lambda: True
    try:
        module.spin(executor, Logger())
    finally:
        module.rclpy.ok = ok
    assert executor.rounds == 3
    assert "RuntimeError: a callback failed" in Logger.lines[0]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"vocabulary": ["sofa", "sofa"]}, "sofa"),
        ({"vocabulary": [""], "background_labels": [""], "vocabulary_file": "nowhere.yaml"}, "there is no file"),
        (
            {"qos_overrides./spaceformer/markers.publisher.reliability": "maybe"},
            "markers.publisher.reliability is 'maybe', expected one of reliable, best_effort",
        ),
        ({"qos_overrides./spaceformer/markers.publisher.depth": "many"}, "depth is 'many', expected an integer from 1"),
        ({"qos_overrides./spaceformer/markers.publisher.lifespan": 1}, "expected one of depth, history, reliability"),
    ],
)
def test_initial_values_that_cannot_be_used_refuse_configure_with_one_sentence(start, capfd, parameters, words):
    node = start(active=False, **parameters)
    capfd.readouterr()
    assert node.trigger_configure().name == "FAILURE"
    lines = [line for line in capfd.readouterr().err.splitlines() if "ERROR" in line]
    assert len(lines) == 1
    assert words in lines[0]
    assert "Error:" not in lines[0]
    assert node.session is None


def test_initial_values_of_wrong_types_and_out_of_range(start, states):
    node = start(nms_iou=1, background_labels=["wall"])
    assert node.settings.config.postprocess.nms_iou == 1.0
    other = start(active=False, max_points=5, build=lambda settings, progress: make_pipeline(settings))
    assert other.trigger_configure().name == "FAILURE"
    assert other.set_parameters([Parameter("max_points", value=2000)])[0].successful
    assert other.trigger_configure().name == "SUCCESS"
    assert other.settings.config.input.max_points == 2000


def test_approach_poses_of_one_request_are_bounded(start, client, box_cloud, monkeypatch):
    monkeypatch.setattr(queries, "MAX_APPROACHES", 1)
    node = start()
    client.publish(box_cloud(ROOM))
    wait_until(lambda: node.pipeline and node.pipeline.scene, "the scene")
    reply = client.call(FindObjects, "find_objects", query="chair", min_score=-1.0, with_approach=True)
    assert "approaches to the first 1 of 3 objects only: ask for fewer at once" in reply.message


def test_pictures_that_wait_are_bounded(start, client, box_cloud, monkeypatch):
    from spaceformer_ros.ros import map_views, view_queries

    monkeypatch.setattr(map_views, "MAX_WAITING_PIXELS", 640 * 480)
    monkeypatch.setattr(view_queries, "TRIM_PIXELS", 0)
    gate, draw = threading.Event(), view_queries._draw
    monkeypatch.setattr(view_queries, "_draw", lambda *of: (gate.wait(30), draw(*of))[1])
    node = start()
    client.publish(box_cloud(ROOM))
    wait_until(lambda: node.pipeline and node.pipeline.scene, "the scene")
    first = client.call_later(RenderView, "render_view")
    wait_until(lambda: node.session.views._waiting, "the first picture")
    reply = client.call(RenderView, "render_view")
    assert (reply.code, "ask again when they have come" in reply.message) == (ResultCode.RATE_LIMITED, True)
    gate.set()
    assert first().code == ResultCode.OK
    assert client.call(RenderView, "render_view").code == ResultCode.OK
