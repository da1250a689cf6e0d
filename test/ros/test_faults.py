# SPDX-License-Identifier: Apache-2.0
"""Injected faults of long runs: the node keeps running, reports them, answers requests and recovers."""

import gc
import inspect
import os
import pathlib
import re
import resource
import threading
import weakref

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from helpers.fakes import DIM, ROOM, FakeEmbedder, full_disk, make_pipeline
from helpers.paths import ROOT
from helpers.ros import wait_until
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from std_srvs.srv import SetBool, Trigger

from spaceformer_ros.ros import interfaces, messages, qos, services
from spaceformer_ros.words.text_model import PromptEmbedder
from spaceformer_ros.words.vocabulary import MAX_LABELS, MAX_TEXT_LENGTH

EmbedText, FindObjects, GetInstances = interfaces.EmbedText, interfaces.FindObjects, interfaces.GetInstances
NodeState, SegmentNow, SetVocabulary = interfaces.NodeState, interfaces.SegmentNow, interfaces.SetVocabulary
ResultCode = interfaces.ResultCode
SECOND = 1_000_000_000


def set_parameters(client, **values):
    """Results of one request that sets several parameters."""
    request = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
    return client.call(SetParameters, "set_parameters", parameters=request).results


def labels_of(array):
    return {instance.label for instance in array.instances}


def fail(*_, **__):
    raise RuntimeError("the device fell off the bus")


# --- crashes ----------------------------------------------------------------------------------------------------------


def test_queries_are_answered_while_the_network_keeps_failing(start, client, states, instances, box_cloud):
    node = start()
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    segment, node.pipeline.segmenter.segment = node.pipeline.segmenter.segment, fail
    for number in range(2, 12):
        failed = node.session.counters.clouds_failed
        client.publish(box_cloud(ROOM, points=1000, stamp_ns=number * SECOND))
        assert client.call(FindObjects, "find_objects", query="sofa").matches[0].instance.label == "sofa"
        wait_until(lambda before=failed: node.session.counters.clouds_failed > before, "the crash")
    assert "RuntimeError: the device fell off the bus" in node.session.counters.last_error
    assert client.call(SegmentNow, "segment_now", wait=True).code == ResultCode.INTERNAL_ERROR
    assert client.call(SetVocabulary, "set_vocabulary", labels=["couch"]).code == ResultCode.OK
    wait_until(lambda: labels_of(instances[-1]) == {"couch"}, "other words")
    node.pipeline.segmenter.segment = segment
    client.publish(box_cloud(ROOM, stamp_ns=20 * SECOND))
    wait_until(lambda: instances[-1].map_revision == 2, "the next result")
    wait_until(lambda: states[-1].state == NodeState.IDLE, "recovery")


def test_a_failing_text_model_keeps_the_vocabulary_in_use(start, client, instances, box_cloud):
    node = start()
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    embed, node.pipeline.embedder.embed = node.pipeline.embedder.embed, fail
    for kind, name, fields in (
        (FindObjects, "find_objects", {"query": "couch"}),
        (SetVocabulary, "set_vocabulary", {"labels": ["couch"]}),
        (EmbedText, "embed_text", {"texts": ["couch"]}),
    ):
        reply = client.call(kind, name, **fields)
        assert reply.code == ResultCode.INTERNAL_ERROR, name
        assert "the device fell off the bus" in reply.message
    assert set_parameters(client, vocabulary=["bench"])[0].successful
    assert set_parameters(client, score_threshold=0.1)[0].successful
    wait_until(lambda: node.pipeline.config.postprocess.score_threshold == 0.1, "the other setting")
    assert node.pipeline.space.vocabulary.labels == ("chair", "sofa", "table")
    assert len(client.call(GetInstances, "get_instances").result.instances) == 3

    node.pipeline.embedder.embed = embed
    assert set_parameters(client, score_threshold=0.0)[0].successful  # any change tries the words again
    wait_until(lambda: labels_of(instances[-1]) == {"bench"}, "the words that were asked for")
    assert client.call(FindObjects, "find_objects", query="bench").code == ResultCode.OK


def test_a_vocabulary_that_cannot_be_published_is_in_use_and_published_later(start, client, instances, box_cloud):
    start()
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    assert set_parameters(client, target_frame="nowhere")[0].successful
    reply = client.call(SetVocabulary, "set_vocabulary", labels=["couch", "throne"])
    assert reply.code == ResultCode.TF_FAILED
    assert "'map' to 'nowhere'" in reply.message
    stored = client.call(GetParameters, "get_parameters", names=["vocabulary"])
    assert list(stored.values[0].string_array_value) == ["couch", "throne"]
    assert set_parameters(client, target_frame="")[0].successful
    wait_until(lambda: "couch" in labels_of(instances[-1]), "the new words")


# --- the disk of the embedding cache ----------------------------------------------------------------------------------


class Encoder:
    """A text model on FakeEmbedder's vectors."""

    model_id, dim = FakeEmbedder.model_id, DIM

    def encode(self, texts):
        return FakeEmbedder().embed(texts)


def with_cache(file):
    """A build function whose pipeline keeps embeddings in a file."""

    def build(settings, progress):
        pipeline = make_pipeline(settings)
        pipeline.embedder = PromptEmbedder(Encoder(), ("{}",), file)
        return pipeline

    return build


def test_queries_are_answered_with_a_full_disk_of_the_embedding_cache(
    start, client, instances, box_cloud, tmp_path, capfd
):
    start(with_cache(tmp_path / "text.sqlite"))
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    client.call(FindObjects, "find_objects", query="chair")  # clients are made while there is room
    client.call(SetVocabulary, "set_vocabulary", labels=[])
    with full_disk():
        assert client.call(FindObjects, "find_objects", query="couch").matches[0].instance.label == "sofa"
        assert client.call(FindObjects, "find_objects", query="lamp").code == ResultCode.NOT_FOUND
        assert client.call(SetVocabulary, "set_vocabulary", labels=["couch"]).code == ResultCode.OK
    assert capfd.readouterr().err.count("text embedding cache") == 1


def test_queries_are_answered_without_a_cache_folder(start, client, instances, box_cloud, tmp_path):
    (tmp_path / "file").touch()
    start(with_cache(tmp_path / "file" / "text.sqlite"))
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    assert client.call(FindObjects, "find_objects", query="couch").matches[0].instance.label == "sofa"


# --- clocks -----------------------------------------------------------------------------------------------------------


def test_a_clock_that_jumps_back_or_is_paused_does_not_stop_the_node(start, client, instances, box_cloud):
    found = client.listen("/diagnostics", DiagnosticArray, qos.EVENTS)
    node = start(use_sim_time=True, min_update_interval=0.2)
    assert set_parameters(client, score_threshold=0.01)[0].successful  # /clock is not published yet
    wait_until(lambda: node.settings.config.postprocess.score_threshold == 0.01, "the setting")
    wait_until(lambda: found, "diagnostics without /clock")

    clock = client.node.create_publisher(Clock, "/clock", qos.EVENTS)
    wait_until(clock.get_subscription_count, "the node listening to /clock")
    for revision, seconds in enumerate((1000, 1001, 5, 6), 1):  # a bag that is played again
        clock.publish(Clock(clock=messages.to_time(seconds * SECOND)))
        wait_until(lambda now=seconds: node.get_clock().now().nanoseconds == now * SECOND, "the time")
        client.publish(box_cloud(ROOM, points=1000 + revision, stamp_ns=seconds * SECOND))
        wait_until(lambda wanted=revision: instances and instances[-1].map_revision == wanted, f"second {seconds}")
        for item in instances[-1].instances:
            assert item.last_seen.sec == seconds
            assert item.first_seen.sec <= seconds
    assert {item.id for item in instances[0].instances} == {item.id for item in instances[-1].instances}
    reported = len(found)
    wait_until(lambda: len(found) > reported + 1, "diagnostics while the clock stands still")


# --- parameters -------------------------------------------------------------------------------------------------------


def test_many_parameter_changes_are_coalesced(start, client, instances, box_cloud):
    node = start()
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    wrong = {"nms_iou": 7.0, "rgb_mode": "rainbow", "device": "cuda:9", "vocabulary": ["a", "a"], "roi": [1.0]}
    wrong = [*wrong.items(), ("vocabulary", ["x" * (MAX_TEXT_LENGTH + 1)]), ("vocabulary_file", "/nowhere.yaml")]
    for number in range(150):
        name, value = wrong[number % len(wrong)]
        right, bad = set_parameters(client, score_threshold=number / 1000, **{name: value})
        assert right.successful, right.reason
        assert not bad.successful
        assert bad.reason
        if number % 30 == 0:
            assert set_parameters(client, vocabulary=[f"word {number}", "chair"])[0].successful
            client.publish(box_cloud(ROOM, points=1000 + number, stamp_ns=(2 + number) * SECOND))
            assert client.call(FindObjects, "find_objects", query="chair").code == ResultCode.OK
    wait_until(lambda: node.settings.config.postprocess.score_threshold == 0.149, "the last values")
    assert node.settings.config.postprocess.score_threshold == 0.149
    assert node.settings.config.vocabulary.vocabulary == ("word 120", "chair")
    wait_until(lambda: node.pipeline.space.vocabulary.labels == ("word 120", "chair"), "the last words")
    assert (node.settings.config.postprocess.nms_iou, node.settings.config.model.device) == (-1.0, "auto")
    assert client.call(FindObjects, "find_objects", query="chair").code == ResultCode.OK


def test_the_last_of_overlapping_changes_wins(start, client, instances, box_cloud):
    node = start()
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    embed, entered, gate = node.pipeline.embedder.embed, threading.Event(), threading.Event()

    def slow(texts):
        if "slow" in texts:
            entered.set()
            assert gate.wait(20)
        return embed(texts)

    node.pipeline.embedder.embed = slow
    assert set_parameters(client, vocabulary=["slow"])[0].successful
    assert entered.wait(20)
    for word in ("a", "b", "quick"):
        assert set_parameters(client, vocabulary=[word])[0].successful
    assert client.call(GetInstances, "get_instances").code == ResultCode.OK  # the pool is not used up
    gate.set()
    wait_until(lambda: labels_of(instances[-1]) == {"quick"}, "the last words")
    assert node.pipeline.space.revision == 3  # the first, the slow one and the last; those between were left out


def test_what_is_set_while_the_model_loads_is_used(start, client, instances, box_cloud):
    gate = threading.Event()

    def build(settings, progress):
        assert gate.wait(20)
        return make_pipeline(settings)

    start(build)
    assert set_parameters(client, vocabulary=["bench"])[0].successful
    gate.set()
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances and labels_of(instances[-1]) == {"bench"}, "the words set while loading")


# --- again and again --------------------------------------------------------------------------------------------------


def holdings():
    """Threads, open files and MiB of memory of this process."""
    gc.collect()
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    tasks, files = len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))
    return tasks, files, pages * resource.getpagesize() / 2**20


def test_repeated_configuration_leaks_no_resources(start, client, instances, box_cloud):
    def go(transition):
        task = node.executor.create_task(transition)
        node.executor.wake()
        wait_until(task.done, transition.__name__)
        assert task.result() == TransitionCallbackReturn.SUCCESS

    node = start(active=False)
    client.publish(box_cloud(ROOM, points=1000))
    before = None
    gc.freeze()  # what other tests left need not be looked at in every life
    for life in range(30):
        heard = len(instances)  # before `activate`, as the result may come before it returns
        go(node.trigger_configure)
        go(node.trigger_activate)
        if life % 5 == 0:  # the others end while they load
            wait_until(lambda before=heard: len(instances) > before, "instances")
        go(node.trigger_deactivate)
        go(node.trigger_cleanup)
        if life == 10:
            before = holdings()
    gc.unfreeze()
    # Threads of pools that were closed end soon.
    wait_until(lambda: all(now <= then for now, then in zip(holdings()[:2], before)), "threads and files to be closed")
    assert holdings()[2] - before[2] < 20  # MiB; glibc gives every new thread an arena of its own
    assert (list(node.timers), list(node.subscriptions)) == ([], [])


def test_cleanup_frees_reference_cycles_immediately(start):
    node = start()
    wait_until(lambda: node.pipeline, "the pipeline")
    network = node.pipeline.segmenter
    network.itself, gone = network, weakref.ref(network)
    del network
    node.trigger_deactivate()
    node.trigger_cleanup()
    assert gone() is None


# --- publishers that are late or missing ------------------------------------------------------------------------------


def test_diagnostics_of_late_publishers_become_errors_with_time(start, client, box_cloud):
    found = client.listen("/diagnostics", DiagnosticArray, qos.EVENTS)
    start(input_timeout=2.0)

    def findings():
        return [(message.status[0].level, message.status[0].message) for message in found]

    def reported(level, words):
        return wait_until(lambda: any(entry[0] == level and words in entry[1] for entry in findings()), words)

    reported(DiagnosticStatus.WARN, "the input topic has no publisher")
    client.publish(messages.PointCloud2())  # makes the publisher; the message itself is refused
    reported(DiagnosticStatus.ERROR, "the cloud is empty")
    client.publish(box_cloud(ROOM))
    reported(DiagnosticStatus.OK, "working")


# --- limits -----------------------------------------------------------------------------------------------------------


def test_requests_above_the_rate_limit_are_refused(start, client, instances, box_cloud):
    node = start(max_queries_per_second=3.0)
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    replies = [client.call(FindObjects, "find_objects", query="sofa") for _ in range(10)]
    refused = [reply for reply in replies if reply.code == ResultCode.RATE_LIMITED]
    assert 0 < len(refused) < 10
    assert "more than 3 requests per second" in refused[0].message
    assert refused[0].matches == []
    assert set_parameters(client, max_queries_per_second=0.0)[0].successful
    wait_until(lambda: node.settings.config.node.max_queries_per_second == 0, "the setting")
    assert {client.call(FindObjects, "find_objects", query="sofa").code for _ in range(10)} == {0}


@pytest.mark.parametrize(("kind", "name"), [(Trigger, "clear"), (SetBool, "set_enabled")])
def test_services_without_codes_are_refused_above_the_rate_too(start, client, instances, box_cloud, kind, name):
    node = start(max_queries_per_second=0.01)
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    assert client.call(FindObjects, "find_objects", query="sofa").code == ResultCode.OK
    reply = client.call(kind, name)
    assert (reply.success, "more than 0.01 requests per second" in reply.message) == (False, True)
    assert (node.session.state.enabled, node.pipeline.scene is None) == (True, False)


def test_every_service_has_a_result_code_and_a_message_and_names_its_codes():
    names = {name for name in dir(ResultCode) if name.isupper() and isinstance(getattr(ResultCode, name), int)}
    assert sorted(getattr(ResultCode, name) for name in names) == list(range(len(names)))
    files = sorted((ROOT / "srv").glob("*.srv"))
    assert len(files) > 7
    for path in files:
        reply = path.read_text().split("---\n")[1]
        assert re.search("^uint8 code  .*\nstring message  ", reply, re.MULTILINE), path.name
        listed = re.search(r"^# ResultCode of the reply: ([A-Z_, #\n]+)", reply, re.MULTILINE)[1]
        assert {"OK", "NOT_ACTIVE", "INTERNAL_ERROR", "RATE_LIMITED"} <= set(re.findall(r"\w+", listed)) <= names, path


# What a handler calls -> a code that this can lead to.
LEADS_TO = {
    r"require_pipeline|active_scene": "MODEL_NOT_READY",
    r"active_scene|NO_MAP_YET|segment_latest|storage\.save": "NO_MAP_YET",
    r"_placement|_pose_in_frame|lookup\(|show_relevancy|perception\.(set_vocabulary|load_scene)": "TF_FAILED",
    r"embed_in_batches|TimeoutError|_on_disk": "TIMEOUT",
    r"_scene_path": "PATH_REFUSED",
    r'Refusal\("NOT_FOUND"|edit_scene|_mask_heat|load_scene': "NOT_FOUND",
    r"SpaceformerError\(|Vocabulary\.parse|_find,|_show_relevancy,|_graph_text,|wanted_layers": "INVALID_REQUEST",
}


@pytest.mark.parametrize("name", sorted(services.WITH_CODE))
def test_the_codes_that_a_service_names_are_those_of_its_code(name):
    kind, handler = services.WITH_CODE[name]
    source, text = inspect.getsource(handler), (ROOT / "srv" / f"{kind.__name__}.srv").read_text()
    listed = re.search(r"^# ResultCode of the reply: ([A-Z_, #\n]+)", text, re.MULTILINE)[1]
    for words, code in LEADS_TO.items():
        assert bool(re.search(words, source)) == (code in re.findall(r"\w+", listed)), code


@pytest.mark.parametrize(
    ("kind", "name", "fields", "words"),
    [
        (EmbedText, "embed_text", {"texts": ["x"] * 1001}, "1001 texts given, expected 1 to 1000"),
        (EmbedText, "embed_text", {"texts": ["sofa", "x" * 201]}, "201 characters"),
        (EmbedText, "embed_text", {"texts": ["so\x07fa"]}, "control characters"),
        (FindObjects, "find_objects", {"query": "sofa", "near_query": "x" * 201}, "201 characters"),
        (SetVocabulary, "set_vocabulary", {"labels": ["x" * 201]}, "201 characters"),
        (SetVocabulary, "set_vocabulary", {"labels": ["sofa"], "background_labels": ["x" * 201]}, "201 characters"),
        (
            SetVocabulary,
            "set_vocabulary",
            {"labels": [f"a{i}" for i in range(MAX_LABELS + 1)]},
            f"at most {MAX_LABELS}",
        ),
        (
            SetVocabulary,
            "set_vocabulary",
            {"labels": [f"a{i}" for i in range(MAX_LABELS - 3)], "append": True},
            f"at most {MAX_LABELS}",
        ),
    ],
)
def test_texts_and_vocabularies_have_limits(start, client, instances, box_cloud, kind, name, fields, words):
    start()
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    reply = client.call(kind, name, **fields)
    assert reply.code == ResultCode.INVALID_REQUEST
    assert words in reply.message
