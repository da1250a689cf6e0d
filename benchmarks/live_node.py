# SPDX-License-Identifier: Apache-2.0
"""The real node in its own process, and a client of it over DDS: shared by the benchmarks."""

import contextlib
import os
import pathlib
import resource
import signal
import subprocess
import sys
import threading
import time
from typing import ClassVar

os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from spaceformer_ros.clouds.pointcloud2 import cloud_columns
from spaceformer_ros.ros import interfaces, messages, qos

ROOT = pathlib.Path(__file__).resolve().parents[1]
NodeState = interfaces.NodeState
PATIENCE = 300.0  # seconds, timeout of every wait


@contextlib.contextmanager
def live_node(topics=None, **parameters):
    """A Client of a node process with these parameters, in a separate ROS domain. topics: see Client."""
    import domain_coordinator

    with domain_coordinator.domain_id() as domain, contextlib.ExitStack() as stack:
        os.environ["ROS_DOMAIN_ID"] = str(domain)
        os.environ["FASTRTPS_DEFAULT_PROFILES_FILE"] = str(ROOT / "config" / "fastdds_large_clouds.xml")
        settings = [part for name, value in parameters.items() for part in ("-p", f"{name}:={value}")]
        command = [sys.executable, str(ROOT / "scripts" / "spaceformer_node"), "--ros-args", *settings]
        process = subprocess.Popen([*command, "--log-level", "error"])
        stack.callback(stop, process)
        client = Client(process.pid, topics or Client.TOPICS)
        stack.callback(client.close)
        yield client


def resident_mib(pid):
    """Resident memory of a process, MiB."""
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def to_message(cloud, stamp_ns):
    """A Cloud as PointCloud2."""
    header = messages.Header(stamp=messages.to_time(stamp_ns), frame_id=cloud.frame_id)
    return messages.to_cloud_message(header, cloud_columns(cloud))


def stop(process):
    """End a process as Ctrl-C does."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Client:
    """Publishes clouds, subscribes to the node's latched topics and diagnostics, calls its services.

    latest: dict topic -> newest message; counts: dict topic -> messages so far; pid: of the node.
    """

    TOPICS: ClassVar = {
        "instances": interfaces.InstanceArray,
        "vocabulary": interfaces.Vocabulary,
        "state": NodeState,
        "labeled_cloud": messages.PointCloud2,
    }

    def __init__(self, pid, topics):
        """topics: names of TOPICS to subscribe to."""
        self.pid, self.latest, self.counts, self._clients = pid, {}, {}, {}
        self._callbacks = {}
        rclpy.init()
        self.node, self.executor = rclpy.create_node("benchmark"), SingleThreadedExecutor()
        for name in topics:
            self.node.create_subscription(self.TOPICS[name], f"/spaceformer/{name}", self._keep(name), qos.LATCHED)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._keep("diagnostics"), qos.EVENTS)
        self._publisher = self.node.create_publisher(messages.PointCloud2, "/spaceformer/input/points", qos.LATCHED)
        self.executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self):
        with contextlib.suppress(ExternalShutdownException):
            self.executor.spin()

    def close(self):
        self.executor.shutdown(timeout_sec=5)
        self._thread.join(5)
        self.node.destroy_node()
        rclpy.try_shutdown()

    def _keep(self, name):
        def keep(message):
            self.latest[name] = message
            self.counts[name] = self.counts.get(name, 0) + 1
            if name in self._callbacks:
                self._callbacks[name](message)

        return keep

    def on(self, topic, callback):
        """Call callback(message) for every message of a topic, on the executor's thread."""
        self._callbacks[topic] = callback

    @property
    def running(self):
        """Whether an inference is running, by the last state."""
        return "state" in self.latest and self.latest["state"].state == NodeState.RUNNING

    def diagnostics(self):
        """Keys and values of the newest status."""
        return {pair.key: pair.value for pair in self.latest["diagnostics"].status[0].values}

    def wait(self, condition, what, patience=PATIENCE):
        """Wait until condition() is true; TimeoutError names what."""
        end = time.monotonic() + patience
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"waited {patience:g} s for {what}")
            time.sleep(0.01)

    def wait_for_state(self, *states):
        """Wait until the node is in one of these states."""
        self.wait(lambda: "state" in self.latest and self.latest["state"].state in states, f"a state among {states}")

    def publish(self, cloud, stamp_ns=None):
        """Publish a Cloud on the node's input."""
        self.publish_message(to_message(cloud, stamp_ns or cloud.stamp_ns))

    def publish_message(self, message):
        """Publish a PointCloud2 on the node's input."""
        self._publisher.publish(message)

    def connect(self, kind, name):
        """Make the client of a service, and wait until DDS has matched it."""
        self._clients[name] = self.node.create_client(kind, f"/spaceformer/{name}")
        self.wait(self._clients[name].service_is_ready, f"the service {name}")
        time.sleep(1.0)

    def call(self, kind, name, patience=30.0, **fields):
        """(response, seconds until it arrived); the response is None after a timeout."""
        if name not in self._clients:
            self.connect(kind, name)
        done, times = threading.Event(), [time.perf_counter()]
        future = self._clients[name].call_async(kind.Request(**fields))
        future.add_done_callback(lambda _: (times.append(time.perf_counter()), done.set()))
        if not done.wait(patience):
            return None, patience
        return future.result(), times[1] - times[0]
