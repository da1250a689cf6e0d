# SPDX-License-Identifier: Apache-2.0
"""A running node as a source of maps for the page and for agents."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import urllib.request

import numpy as np
import pytest
from helpers.agents import mcp
from helpers.fakes import GRAY, ROOM
from helpers.paths import ROOT
from helpers.ros import PATIENCE, wait_until

from spaceformer_ros import SpaceformerError
from spaceformer_ros.ros.interfaces import NodeState
from spaceformer_ros.ros.live_source import LiveSource
from spaceformer_ros.sources.files import FileSource
from spaceformer_ros.sources.snapshot import Question
from spaceformer_ros.sources.source import NoMapYet, NoRobot


def has_map(source):
    try:
        return source.snapshot()
    except NoMapYet:
        return None


def test_a_running_node_answers_like_a_file(start, client, box_cloud):
    source = LiveSource(client.node)
    with pytest.raises(NoMapYet, match="waiting for the node /spaceformer"):
        source.snapshot()
    node = start(rgb_mode="original", labeled_cloud_max_points=0)
    floor = [((3.0, y, -0.01), (4.0, 1.0, 0.02), GRAY) for y in (-1.0, 0.0, 1.0)]
    client.publish(box_cloud([*ROOM, *floor], points=8_000))
    seen = wait_until(lambda: has_map(source), "a map")
    expected = FileSource(node.pipeline)
    assert np.array_equal(seen.owner, expected.snapshot().owner)
    assert np.array_equal(seen.cloud.rgb, expected.snapshot().cloud.rgb)
    assert seen.labels == expected.snapshot().labels
    for ours, theirs in zip(seen.objects, expected.snapshot().objects, strict=True):
        assert (ours.id, ours.label, ours.num_points) == (theirs.id, theirs.label, theirs.num_points)
        assert np.allclose(seen.in_frame(ours).corners, expected.snapshot().in_frame(theirs).corners, atol=1e-3)

    ours, theirs = source.find(Question("couch")).found[0], expected.find(Question("couch")).found[0]
    assert (ours.object, ours.score) == (seen.by_id[theirs.object.id], pytest.approx(theirs.score))
    placed = seen.cloud.placement.apply(ours.approach.position)
    assert np.allclose(placed, expected.snapshot().cloud.placement.apply(theirs.approach.position), atol=1e-3)
    assert np.isclose(ours.approach.yaw, theirs.approach.yaw, atol=1e-3)
    assert np.allclose(source.relevancy("couch")[1], expected.relevancy("couch")[1], atol=1e-6)
    with pytest.raises(SpaceformerError, match="characters"):
        source.find(Question("x" * 10_000))

    assert "2 labels in use" in source.set_vocabulary(["seat", "couch"])
    after = wait_until(lambda: source.snapshot() if source.snapshot().labels == ("seat", "couch") else None)
    assert after.cloud is seen.cloud
    with pytest.raises(NoRobot, match="robot_frame"):
        source.robot_pose()
    source.close()


def test_without_a_node_the_reason_is_given(client, monkeypatch):
    monkeypatch.setattr("spaceformer_ros.ros.calls.SERVER_SECONDS", 0.1)
    with pytest.raises(SpaceformerError, match="no service /nobody/set_vocabulary: is the node running"):
        LiveSource(client.node, "/nobody").set_vocabulary(["sofa"])


@pytest.mark.process
@pytest.mark.ros
def test_the_viewer_serves_its_page_until_it_is_interrupted(domain):
    pytest.importorskip("viser", reason="viser comes with `make test`")
    command = [sys.executable, ROOT / "scripts" / "viewer", "--ros-args", "-p", "port:=0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        line = next(line for line in process.stderr if "the page is at" in line)
        address = line.split()[-1]
        assert address.startswith("http://localhost:")
        with urllib.request.urlopen(address, timeout=20) as page:
            assert "<html" in page.read().decode().lower()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


@pytest.mark.process
def test_an_agent_asks_the_running_node(start, client, box_cloud, states, domain):
    node, busy, done = start(), threading.Event(), threading.Event()
    client.publish(box_cloud(ROOM))
    program = [str(ROOT / "scripts" / "mcp_server"), "--ros-args", "-p", "allow_changes:=true"]
    server = mcp.StdioServerParameters(command=sys.executable, args=program, env=dict(os.environ))

    def hold(cloud, *_):
        busy.set()
        assert done.wait(PATIENCE)
        raise SpaceformerError("held until the agent had its answers")

    async def converse():
        async with mcp.Client(server) as agent:
            while (await agent.call_tool("find_objects", {"query": "couch"})).is_error:
                await asyncio.sleep(0.1)  # the map is on its way
            node.pipeline.segmenter.segment = hold
            client.publish(box_cloud(ROOM[:2]))
            assert await asyncio.to_thread(busy.wait, PATIENCE)
            questions = [("find_objects", {"query": "couch"}), ("list_objects", {}), ("scene_summary", {})]
            calls = [agent.call_tool(*questions[k % len(questions)]) for k in range(100)]
            answers = await asyncio.gather(*calls)
            assert states[-1].state == NodeState.RUNNING
            changed = await agent.call_tool("set_vocabulary", {"labels": ["lamp"]})
            where = await agent.call_tool("where_am_i", {})
            done.set()
            node.trigger_deactivate()
            return answers, changed, where, await agent.call_tool("find_objects", {"query": "couch"})

    answers, changed, where, refused = asyncio.run(asyncio.wait_for(converse(), PATIENCE))
    assert not [one.content[0].text for one in answers if one.is_error]
    assert {one.structured_content["matches"][0]["label"] for one in answers[::3]} == {"sofa"}
    assert {one.structured_content["total"] for one in answers[1::3]} == {3}
    assert "4 labels in use" in changed.content[0].text
    assert "robot_frame" in where.content[0].text
    assert (refused.is_error, refused.structured_content["code"]) == (True, "NOT_ACTIVE")
    assert "the node is not active" in refused.structured_content["message"]
