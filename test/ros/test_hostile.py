# SPDX-License-Identifier: Apache-2.0
"""Invalid and excessive requests and parameters never end the node, and one client cannot starve the others."""

import threading
import time

import numpy as np
import pytest
from helpers.fakes import ROOM, FakeEmbedder, make_pipeline
from helpers.ros import wait_until
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter

from spaceformer_ros.ros import interfaces
from spaceformer_ros.ros.queries import MAX_SELECTED

EmbedText, FindObjects, GetInstances = interfaces.EmbedText, interfaces.FindObjects, interfaces.GetInstances
ResultCode = interfaces.ResultCode


class SlowEmbedder(FakeEmbedder):
    """Embeds the texts that begin with "slow" one by one, under a lock, as a real text model does."""

    def __init__(self, seconds):
        self.seconds, self.lock, self.entered = seconds, threading.Lock(), threading.Event()

    def embed(self, texts):
        with self.lock:
            slow = [text for text in texts if text.startswith("slow")]
            if slow:
                self.entered.set()
                time.sleep(self.seconds * len(slow))
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
    embedder = node.pipeline.embedder = SlowEmbedder(0.5)
    answers = [client.call_later(EmbedText, "embed_text", texts=["slow"] * 8) for _ in range(3)]
    assert embedder.entered.wait(20)
    assert transition(client, id=Transition.TRANSITION_DEACTIVATE)
    assert transition(client, id=Transition.TRANSITION_CLEANUP)
    replies = [answer() for answer in answers]
    assert {reply.code for reply in replies} == {ResultCode.NOT_ACTIVE}
    assert "cleaned up" in replies[0].message
    assert transition(client, id=Transition.TRANSITION_CONFIGURE)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("marker_text", "{label.x}"),
        ("marker_text", "{score[0]}"),
        ("marker_text", "{label:1000000000}"),
        ("vocabulary_file", "~nosuchuser/words.yaml"),
        ("vocabulary_file", "/nowhere\x00.yaml"),
        ("map_id", 5),
    ],
)
def test_a_parameter_that_cannot_be_used_is_refused(start, client, name, value):
    start()
    change = Parameter(name, value=value).to_parameter_msg()
    (result,) = client.call(SetParameters, "set_parameters", parameters=[change]).results
    assert not result.successful
    assert result.reason


def test_many_texts_do_not_keep_a_query_waiting(start, client, instances, box_cloud):
    node = start()
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    client.call(FindObjects, "find_objects", query="sofa")  # connects
    embedder = node.pipeline.embedder = SlowEmbedder(0.02)
    answer = client.call_later(EmbedText, "embed_text", texts=[f"slow {i}" for i in range(500)])  # 10 s
    assert embedder.entered.wait(20)
    begun = time.monotonic()
    assert client.call(FindObjects, "find_objects", query="sofa").code == ResultCode.OK
    assert time.monotonic() - begun < 5
    reply = answer()
    assert np.array(reply.values).reshape(500, reply.dim).shape[0] == 500


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


def test_initial_values_of_wrong_types_and_out_of_range(start, states):
    node = start(nms_iou=1, background_labels=["wall"])
    assert node.settings.config.postprocess.nms_iou == 1.0
    other = start(active=False, max_points=5, build=lambda settings, progress: make_pipeline(settings))
    assert other.trigger_configure().name == "FAILURE"
    assert other.set_parameters([Parameter("max_points", value=2000)])[0].successful
    assert other.trigger_configure().name == "SUCCESS"
    assert other.settings.config.input.max_points == 2000
