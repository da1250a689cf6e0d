# SPDX-License-Identifier: Apache-2.0
"""Real rclpy over real DDS, on this machine only and in a separate domain."""

import contextlib
import gc
import os
import pathlib
import re
import threading

import pytest
from helpers.fakes import make_pipeline
from helpers.paths import CONFIG

rclpy = pytest.importorskip("rclpy", reason="rclpy is not importable: run the tests with `make test`, or source ROS 2")

from helpers.ros import Client, Spinner, remove_dead_segments  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402

from spaceformer_ros.ros import interfaces  # noqa: E402

FOLDER = pathlib.Path(__file__).parent
SEGMENT_BYTES = 32 << 20  # of shared memory: several of the largest clouds of these tests


# Fast DDS now and then loses a message of its discovery: a test that times out waiting is repeated once.
LOST_MESSAGE = pytest.mark.flaky(reruns=1, only_rerun="waited [0-9.]+ s for")


def pytest_collection_modifyitems(items):
    """Mark the tests that communicate over DDS; the others in this folder test functions or start processes."""
    for item in items:
        if "spinner" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.ros)
        if item.path.is_relative_to(FOLDER):
            item.add_marker(LOST_MESSAGE)


@pytest.fixture(scope="session")
def dds_profile(tmp_path_factory):
    """The profile for large clouds with less shared memory: every participant takes 0.2 s to allocate 256 MB."""
    profile = (CONFIG / "fastdds_large_clouds.xml").read_text()
    size = re.search(r"(?<=<segment_size>)\d+", profile).group()
    path = tmp_path_factory.mktemp("dds") / "profile.xml"
    path.write_text(profile.replace(size, str(SEGMENT_BYTES)))
    os.environ["FASTRTPS_DEFAULT_PROFILES_FILE"] = str(path)


@pytest.fixture(scope="session", autouse=True)
def domain(dds_profile):
    """A ROS domain that no other process on this machine uses."""
    import domain_coordinator

    remove_dead_segments()
    with domain_coordinator.domain_id() as number:
        os.environ["ROS_DOMAIN_ID"] = str(number)
        yield number


@pytest.fixture
def spinner(domain):
    made = []
    gc.collect()  # what pytest held of the last test until its end
    gc.freeze()  # what is left need not be searched after this test

    def make():
        made.append(Spinner(domain))
        return made[-1]

    yield make
    with contextlib.ExitStack() as closing:  # all of them, even if one fails
        for one in made:
            closing.callback(one.close)
    # A context's DDS participant is destroyed with the last reference to it, and a layout that is still being computed
    # holds one. The names of nodes that are left confuse the next test, many participants make discovery slow, and
    # beyond 32 on a machine new ones are not found at all.
    for thread in threading.enumerate():
        if thread.name.startswith("spaceformer_"):
            thread.join(20)
    made.clear()
    gc.collect()


@pytest.fixture
def client(spinner):
    return Client(spinner())


@pytest.fixture
def start(spinner, monkeypatch):
    """A function that starts the real node on a stand-in pipeline, configured and active by default."""
    from spaceformer_ros.ros import node as module
    from spaceformer_ros.ros import perception

    made = []

    def make(build=None, active=True, namespace=None, **parameters):
        defaults = {"vocabulary": ["chair", "sofa", "table"], "background_labels": ["wall"], "min_update_interval": 0.0}
        monkeypatch.setattr(perception, "build_pipeline", build or (lambda settings, progress: make_pipeline(settings)))
        overrides = [Parameter(name, value=value) for name, value in {**defaults, **parameters}.items()]
        own = spinner()
        node = module.SpaceformerNode(context=own.context, namespace=namespace, parameter_overrides=overrides)
        made.append(node)
        if active:
            assert node.trigger_configure() == module.TransitionCallbackReturn.SUCCESS
            assert node.trigger_activate() == module.TransitionCallbackReturn.SUCCESS
        return own.add(node)

    yield make
    for node in made:
        node.close()


@pytest.fixture
def states(client):
    """All NodeState messages so far."""
    return client.listen("/spaceformer/state", interfaces.NodeState)


@pytest.fixture
def instances(client):
    """All InstanceArray messages so far."""
    return client.listen("/spaceformer/instances", interfaces.InstanceArray)
