# SPDX-License-Identifier: Apache-2.0
"""Damaged clouds over DDS: the running node survives, reports each, and keeps its last good scene."""

import array
import resource

import numpy as np
from builtin_interfaces.msg import Time
from helpers.fakes import ROOM, ColorSegmenter, make_pipeline
from helpers.ros import Client, wait_until
from rclpy.serialization import serialize_message
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from benchmarks import service_requests
from benchmarks.mutations import flipped, mutated_message
from spaceformer_ros.config import ModelConfig
from spaceformer_ros.ros import interfaces, qos
from spaceformer_ros.segment.segmenter import Segmenter
from spaceformer_ros.weights.checkpoint import Checkpoint
from spaceformer_ros.words.similarity import Similarity
from spaceformer_ros.words.text_model import TextModelId

NUM_MESSAGES = 250
EVERY_DAMAGED = 5  # one of this many messages is also sent with damaged bytes
MEMORY = 300  # MiB that the process may grow by


class RealThenColors(ColorSegmenter):
    """Runs a real network on every cloud, for its errors, and answers with the boxes found by colour."""

    def __init__(self, names, model):
        super().__init__(names)
        checkpoint = Checkpoint(model, TextModelId("none"), Similarity(), "", "tiny")
        self.real = Segmenter(checkpoint, ModelConfig(device="cpu", precision="float32"))

    def segment(self, *arguments):
        self.real.segment(*arguments)
        return super().segment(*arguments)


def to_message(cloud):
    """The real PointCloud2 with the fields of a stand-in."""
    stamp = Time(sec=cloud.header.stamp.sec, nanosec=cloud.header.stamp.nanosec)
    names = ("width", "height", "point_step", "row_step", "is_bigendian")
    result = PointCloud2(
        header=Header(stamp=stamp, frame_id=cloud.header.frame_id),
        fields=[PointField(**vars(field)) for field in cloud.fields],
        **{name: getattr(cloud, name) for name in names},
    )
    result.data = array.array("B", cloud.data)
    return result


def damaged_messages():
    """Rows (what it is, PointCloud2 or its serialised bytes)."""
    for seed in range(NUM_MESSAGES):
        cloud, names = mutated_message(seed)
        message, label = to_message(cloud), f"seed {seed} ({', '.join(names)})"
        if seed % EVERY_DAMAGED == 0:
            content = serialize_message(message)
            rng = np.random.default_rng(seed)
            cut = len(content) if rng.random() < 0.7 else int(rng.integers(5, len(content)))
            message, label = flipped(content[:160], rng) + content[160:cut], label + " with damaged bytes"
        yield label, message


def test_hostile_requests_to_every_service_are_answered(start, client, instances, box_cloud, tmp_path):
    node = start(data_dir=str(tmp_path), max_queries_per_second=0.0, tf_timeout=0.0)
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    for name, (kind, draw) in service_requests.requests().items():
        for seed in range(4):
            reply = client.call(kind, name, **draw(np.random.default_rng(seed)))
            assert service_requests.problem_of(reply, len(serialize_message(reply))) == "", f"{name} seed {seed}"
    assert node.session.state.active
    assert client.call(interfaces.FindObjects, "find_objects", query="sofa").code == interfaces.ResultCode.NO_MAP_YET


def handled(node):
    """How many clouds the node is done with."""
    counters = node.session.counters
    return counters.inferences + counters.inferences_skipped + counters.clouds_failed


def test_the_running_node_survives_damaged_messages(start, spinner, client, box_cloud, tiny_model):
    model = tiny_model()

    def build(settings, progress):
        pipeline = make_pipeline(settings)
        pipeline.segmenter = RealThenColors(pipeline.segmenter.names, model)
        return pipeline

    instances = client.listen("/spaceformer/instances", interfaces.InstanceArray)
    node = start(build, input_qos="latched", allow_gray=True)
    client.publish(box_cloud(ROOM[:3], points=500))
    wait_until(lambda: instances, "instances")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    publisher = client.node.create_publisher(PointCloud2, "/spaceformer/input/points", qos.LATCHED)
    wait_until(publisher.get_subscription_count, "the subscription")

    failed = 0
    for label, message in damaged_messages():
        before = handled(node)
        publisher.publish(message)
        wait_until(lambda before=before: handled(node) > before, f"the end of {label}")
        error = node.session.counters.last_error
        assert not error.startswith("unexpected"), f"{label}: {error}"
        failed += bool(error)
    assert failed == node.session.counters.clouds_failed
    assert NUM_MESSAGES / 4 < failed < NUM_MESSAGES * 9 / 10  # else the mutations are too tame or too wild
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024
    assert grown < MEMORY, f"the process grew by {grown:.0f} MiB"

    revision = node.pipeline.scene.map_revision
    client.publish(box_cloud(ROOM[:3], points=500, stamp_ns=2_000_000_000))
    good = wait_until(lambda: [a for a in instances if a.map_revision > revision], "instances of a good cloud")[-1]
    assert sorted(instance.label for instance in good.instances) == ["chair", "sofa", "table"]

    for seed in range(20):
        publisher.publish(PointCloud2(height=1, width=seed, point_step=16))
    wait_until(lambda: node.session.state.state == interfaces.NodeState.ERROR, "the state ERROR")
    late = Client(spinner(), "late").listen("/spaceformer/instances", interfaces.InstanceArray)
    assert repr(wait_until(lambda: late, "the latched scene")[-1]) == repr(good)  # NaN is not equal to itself
