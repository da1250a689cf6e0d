# SPDX-License-Identifier: Apache-2.0
"""A client of the node for tests: executors on threads, service clients, waiting."""

import contextlib
import faulthandler
import fcntl
import os
import pathlib
import time
from typing import ClassVar

import numpy as np
import rclpy
from rclpy._rclpy_pybind11 import InvalidHandle, NodeNameNonExistentError, RCLError
from rclpy.executors import SingleThreadedExecutor
from visualization_msgs.msg import Marker

from spaceformer_ros.ros import messages, qos
from spaceformer_ros.ros.spinning import SpinThread

PATIENCE = 60.0  # seconds that a test waits before it fails: five times what it takes on a busy machine
SEGMENT_AGE = 20.0  # seconds: a lock file this new may belong to a node that has not locked it yet
ATTEMPTS = 12  # clients of a service that are tried within PATIENCE
ASK_AGAIN = 5.0  # seconds without a response after which a server in another process is asked once more
DEPTH = 1000  # messages that may wait for a client's executor


def remove_dead_segments(folder=pathlib.Path("/dev/shm")):
    """Remove shared memory that killed nodes left behind: it fills the memory, and new nodes stumble over it.

    As `fastdds shm clean`: the owner of a segment holds a lock on the file beside it as long as it lives. It locks the
    file after creating it, so new files are left alone: otherwise a node that is just starting would lose messages.
    """
    for lock in folder.glob("fastrtps_*_el"):
        with contextlib.suppress(OSError), lock.open() as file:
            if time.time() - os.fstat(file.fileno()).st_mtime < SEGMENT_AGE:
                continue
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lock.with_name(lock.name.removesuffix("_el")).unlink(missing_ok=True)
            lock.unlink()


def shown_markers(messages):
    """Dict (namespace, id) -> Marker: what a display shows after MarkerArrays."""
    shown = {}
    for marker in (marker for message in list(messages) for marker in message.markers):
        if marker.action == Marker.ADD:
            shown[marker.ns, marker.id] = marker
        elif marker.action == Marker.DELETE:
            shown.pop((marker.ns, marker.id), None)
        else:
            shown = {key: kept for key, kept in shown.items() if key[0] != marker.ns}
    return shown


# Late joiners get what is latched. The queue is long: a message that replaces one that was not taken yet can be lost.
LISTEN = qos.profile(qos.RELIABLE, qos.TRANSIENT_LOCAL, DEPTH)


class TestThread(SpinThread):
    """Goes on where a test destroys entities of the node, by a transition, while this thread waits for them.

    On a robot transitions are callbacks of this thread itself.
    """

    __test__ = False

    def _spin(self):
        while True:
            with contextlib.suppress(InvalidHandle, RCLError):
                return super()._spin()


class Spinner:
    """A context with one executor on a thread; closes in the order that never hangs."""

    running: ClassVar[list] = []  # all that have not been closed

    def __init__(self, domain):
        self.running.append(self)
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.nodes, self.thread = [], TestThread(self.executor)

    def add(self, node):
        self.nodes.append(node)
        self.executor.add_node(node)
        self.executor.wake()
        return node

    def close(self):
        self.running.remove(self)
        ended = self.thread.end(20)
        if not ended:
            faulthandler.dump_traceback()  # which callback does not end
        for node in self.nodes:
            node.destroy_node()
        rclpy.shutdown(context=self.context)
        assert ended


def wait_until(condition, what="the condition", again=None):
    """Poll until `condition()` is true and return its value; fail after PATIENCE seconds.

    again: function that is called every ASK_AGAIN seconds, or None.
    """
    start = called = time.monotonic()
    while not (value := condition()):
        now = time.monotonic()
        assert now < start + PATIENCE, f"waited {PATIENCE} s for {what}"
        if again is not None and now > called + ASK_AGAIN:
            called = now
            again()
        time.sleep(0.01)
    return value


def announce(node):
    """Publish the entities of a node's participant again: Fast DDS now and then loses this message, and then other
    nodes never learn of the node. Every new entity is a reason to publish them."""
    node.destroy_publisher(node.create_publisher(Marker, "announce", 1))


class Client:
    """A client program: publishes clouds, subscribes, calls services. Keeps all messages by topic."""

    def __init__(self, spinner, name="client"):
        self.spinner = spinner
        self.node = spinner.add(rclpy.create_node(name, context=spinner.context))
        self.received, self._clients, self._publisher = {}, {}, None

    def listen(self, topic, kind, profile=LISTEN):
        self.received.setdefault(topic, [])
        self.node.create_subscription(kind, topic, self.received[topic].append, profile)
        return self.received[topic]

    def publish(self, cloud, profile=qos.LATCHED, topic="/spaceformer/input/points"):
        """Publish a Cloud or a PointCloud2."""
        from spaceformer_ros.clouds.pointcloud2 import cloud_columns

        if not hasattr(cloud, "header"):
            header = messages.Header(stamp=messages.to_time(cloud.stamp_ns), frame_id=cloud.frame_id)
            cloud = messages.to_cloud_message(header, cloud_columns(cloud))
        if self._publisher is None:
            self._publisher = self.node.create_publisher(messages.PointCloud2, topic, profile)
        self._publisher.publish(cloud)

    def stop_publishing(self):
        """Destroy the publisher of the latched cloud, so that a later node does not receive it."""
        self.node.destroy_publisher(self._publisher)
        self._publisher = None

    def call(self, kind, name, **fields):
        """The response of /spaceformer/<name>. A server in another process may be asked several times."""
        futures, asked = [], -np.inf

        def response():
            nonlocal asked
            if time.monotonic() - asked > ASK_AGAIN and not (futures and self._servers(f"/spaceformer/{name}")):
                futures.append(self._send(kind, name, fields))
                asked = time.monotonic()
            return next((future for future in futures if future.done()), None)

        return wait_until(response, f"the answer of {name}").result()

    def call_later(self, kind, name, **fields):
        """Send a request; returns a function that waits for the response."""
        future = self._send(kind, name, fields)
        return lambda: wait_until(future.done, f"the answer of {name}") and future.result()

    def _send(self, kind, name, fields):
        if name not in self._clients:
            self._clients[name] = self._connect(kind, f"/spaceformer/{name}")
            self._wait_for_server(f"/spaceformer/{name}")
        return self._clients[name].call_async(kind.Request(**fields))

    def _connect(self, kind, service):
        """A client of a service. Fast DDS now and then never tells a new client of its server: then make another."""
        for _ in range(ATTEMPTS):
            made = self.node.create_client(kind, service, qos_profile=qos.SERVICE)
            if made.wait_for_service(PATIENCE / ATTEMPTS):
                return made
            self.node.destroy_client(made)
        raise AssertionError(f"no service {service} in {PATIENCE} s, {ATTEMPTS} clients tried")

    def _wait_for_server(self, service):
        """Wait until the server has discovered this client too: Fast DDS drops a response to a client that its server
        has not discovered within 0.1 s after the request. What a server in another process knows cannot be seen."""
        for server in self._servers(service):
            wait_until(
                lambda server=server: self._is_known_to(server, service),
                f"{service} to discover its client",
                again=lambda: announce(self.node),
            )

    def _servers(self, service):
        """The nodes of this process that offer a service."""
        nodes = [node for spinner in Spinner.running for node in spinner.nodes]
        return [node for node in nodes if any(one.service_name == service for one in node.services)]

    def _is_known_to(self, server, service):
        try:
            clients = server.get_client_names_and_types_by_node(self.node.get_name(), self.node.get_namespace())
        except NodeNameNonExistentError:
            return False
        return service in dict(clients)
