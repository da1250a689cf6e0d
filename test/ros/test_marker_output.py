# SPDX-License-Identifier: Apache-2.0
"""Markers over DDS: the difference for those who know the rest, the complete set for a new subscriber."""

import itertools
import time
from dataclasses import replace
from types import SimpleNamespace

from helpers.fakes import ROOM
from helpers.ros import Client, shown_markers, wait_until
from lifecycle_msgs.msg import Transition
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from spaceformer_ros.geometry.transform import IDENTITY
from spaceformer_ros.ros import interfaces, marker_output
from spaceformer_ros.show.markers import MarkerRecord

from .test_node import transition


def test_a_difference_for_those_who_know_the_rest_and_all_for_a_new_subscriber(
    start, client, spinner, instances, box_cloud, monkeypatch
):
    monkeypatch.setattr(marker_output, "CATCH_UP", 0.1)
    heard = client.listen("/spaceformer/markers", MarkerArray)
    node = start()
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances and len(shown_markers(heard)) == 9, "nine markers")
    output = node.session.outputs._markers
    wait_until(lambda: output._subscribers and time.monotonic() > output._complete_until, "a known subscriber")
    before = len(heard)
    reply = client.call(interfaces.FindObjects, "find_objects", query="sofa", highlight=True)
    wait_until(lambda: len(heard) > before, "the highlight")
    found = reply.matches[0].instance.id
    assert {(one.ns, one.id) for one in heard[before].markers} == {("query_boxes", found), ("query_labels", found)}
    assert all(one.frame_locked for one in heard[before].markers)
    late = Client(spinner(), "late").listen("/spaceformer/markers", MarkerArray)  # of the last message only
    wait_until(lambda: shown_markers(late) == shown_markers(heard), "the complete set for a late subscriber")
    assert len(shown_markers(late)) == 11
    assert transition(client, Transition.TRANSITION_DEACTIVATE)
    assert len(shown_markers(heard)) == 11
    assert transition(client, Transition.TRANSITION_CLEANUP)
    wait_until(lambda: not shown_markers(heard), "no marker without a scene")


class StandInNode:
    """A node whose one publisher keeps what it publishes."""

    def __init__(self):
        self.sent = []

    def create_publisher(self, *arguments, **options):
        return SimpleNamespace(publish=self.sent.append)

    def create_timer(self, *arguments, **options):
        return object()


def test_as_many_messages_as_are_kept_contain_a_complete_set():
    node = StandInNode()
    output = marker_output.MarkerOutput(node, "markers", ())
    fixed = MarkerRecord("boxes", 1, "cube", (0.0, 0.0, 0.0), 0.0, (1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0))
    for step in range(3 * marker_output.DEPTH):
        moved = replace(fixed, id=2, yaw=float(step))
        output.publish([fixed, moved], Header(frame_id="map"), IDENTITY)
    sizes = [len(message.markers) for message in node.sent[1:]]  # the first one deletes
    complete = [place for place, size in enumerate(sizes) if size == 2]
    assert complete[0] == 0
    assert {after - before for before, after in itertools.pairwise(complete[1:])} == {marker_output.DEPTH}
    assert complete[1] < marker_output.DEPTH
