# SPDX-License-Identifier: Apache-2.0
"""publish_partial: a large map is published while its tiles are segmented, and services answer from partial results."""

import threading

import pytest
from helpers.halls import NAMES, hall_pipeline, make_hall
from helpers.ros import PATIENCE, shown_markers, wait_until
from std_srvs.srv import Trigger
from visualization_msgs.msg import MarkerArray

from spaceformer_ros import SpaceformerError
from spaceformer_ros.ros import interfaces, progress

NodeState, ResultCode = interfaces.NodeState, interfaces.ResultCode
LATE = 7  # a tile after which something is known


class Door:
    """Blocks the network before one tile until it is opened; optionally the tile fails."""

    def __init__(self, tile):
        self.tile, self.count, self.reached, self.opened = tile, 0, threading.Event(), threading.Event()
        self.error = None

    def __call__(self):
        self.count += 1
        if self.count == self.tile:
            self.reached.set()
            assert self.opened.wait(PATIENCE)
            if self.error:
                raise self.error


@pytest.fixture
def halfway(start, client, instances, states, monkeypatch):
    """A Door before which a node stands, in the middle of a hall; all partial results so far have arrived."""
    monkeypatch.setattr(progress, "PARTIAL_TIME_SHARE", 1.0)
    door = Door(LATE)

    def build(settings, progress):
        made = hall_pipeline(settings)
        made.segmenter.backend.before = door
        return made

    settings = {"vocabulary": list(NAMES), "background_labels": ["floor"], "tile_voxels": 4000, "tile_margin": 0.4}
    start(build, publish_partial=True, **settings)
    client.publish(make_hall())
    assert door.reached.wait(PATIENCE)
    wait_until(lambda: instances and instances[-1].map_revision == LATE - 1, "the partial results")
    yield door
    door.opened.set()


def boxes(array):
    return {one.id: (one.label, one.pose.position.x, one.pose.position.y, one.num_points) for one in array.instances}


def test_partial_results_come_before_the_complete_one_and_agree_with_it(halfway, client, instances, states):
    markers = client.listen("/spaceformer/markers", MarkerArray)
    assert all(array.partial for array in instances)
    revisions = [array.map_revision for array in instances]  # the topic keeps one message: a slow reader may miss some
    assert revisions == sorted(set(revisions))
    so_far = boxes(instances[-1])
    assert 0 < len(so_far) < 12
    assert (states[-1].state, "tile" in states[-1].text) == (NodeState.RUNNING, True)
    wait_until(lambda: markers and {key[1] for key in shown_markers(markers)} >= set(so_far), "markers")
    halfway.opened.set()
    complete = wait_until(lambda: [array for array in instances if not array.partial], "the complete result")[0]
    assert so_far.items() <= boxes(complete).items()
    assert len(boxes(complete)) == 12
    assert complete is instances[-1]


def test_services_answer_from_the_partial_result(halfway, client, instances):
    reply = client.call(interfaces.GetInstances, "get_instances")
    assert (reply.result.partial, reply.result.map_revision) == (True, instances[-1].map_revision)
    assert boxes(reply.result) == boxes(instances[-1])
    one = instances[-1].instances[0]
    found = client.call(interfaces.FindObjects, "find_objects", query=one.label)
    assert (found.map_revision, found.matches[0].instance.id) == (instances[-1].map_revision, one.id)
    points = client.call(interfaces.GetInstanceCloud, "get_instance_cloud", id=one.id)
    assert points.cloud.width == one.num_points
    saved = client.call(interfaces.SaveScene, "save")
    assert saved.code == ResultCode.NO_MAP_YET


def test_a_partial_result_after_an_error_is_replaced_even_by_the_same_cloud(halfway, client, instances, states):
    halfway.error = SpaceformerError("this tile fails")
    halfway.opened.set()
    wait_until(lambda: states[-1].state == NodeState.ERROR, "the error")
    assert instances[-1].partial
    client.publish(make_hall())
    wait_until(lambda: not instances[-1].partial, "the complete result")
    assert len(instances[-1].instances) == 12


def test_a_clear_removes_the_partial_result(halfway, client, instances, states):
    assert client.call(Trigger, "clear").success
    wait_until(lambda: not instances[-1].instances, "the empty result")
    number = len(instances)
    halfway.opened.set()
    wait_until(lambda: states[-1].state == NodeState.WAITING_FOR_CLOUD, "the end of the inference")
    assert len(instances) == number
    client.publish(make_hall())
    wait_until(lambda: len(instances) > number and not instances[-1].partial, "the next complete result")


def test_partial_results_take_a_share_of_the_time(monkeypatch):
    share, now = progress.TimeShare(0.2), iter((10.0, 11.0, 14.9, 15.0))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    assert share.start()
    share.stop()  # after one second
    assert not share.start()
    assert share.start()
