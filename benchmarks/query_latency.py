#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long does a query take during back-to-back inferences? Measured by a client over DDS.

    tools/env.sh python -m benchmarks.query_latency

The node (demo weights) runs in its own process on a generated room; another process publishes the next cloud, with
other points of the room, whenever an inference starts, so that the network is always busy. Two rounds of find_objects:
cached texts, and new texts, which go through the text model. Exit code 1 if a 99th percentile is above its target.
"""

import argparse
import contextlib
import itertools
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from dataclasses import replace

import numpy as np

from benchmarks.live_node import PATIENCE, Client, NodeState, live_node, to_message
from spaceformer_ros.cli.tables import print_table
from spaceformer_ros.ros import interfaces
from spaceformer_ros.synthetic import RoomConfig, make_room

FindObjects = interfaces.FindObjects
KNOWN = ("chair", "couch", "television", "plant", "lamp", "table", "fire extinguisher", "something to sit on")
KINDS = ("chair", "bag", "box", "lamp", "bottle", "shelf", "towel", "machine", "toy", "sign")
LOOKS = ("shiny", "wooden", "broken", "tiny", "heavy", "soft", "old", "round", "painted", "empty")
PLACES = ("near the window", "in the corner", "on the floor", "by the door", "under the table", "on the shelf")
SHARE = 0.9  # of the room's points in each cloud
CLOUDS = 6  # published in turn
LISTEN = ("state",)
TARGETS = {"cached text": 0.050, "new text": 0.300}  # seconds, 99th percentile


def main():
    options = parse_options()
    with contextlib.ExitStack() as stack:
        cache = stack.enter_context(tempfile.TemporaryDirectory())
        client = stack.enter_context(live_node(LISTEN, cache_dir=cache, min_update_interval=0.0))
        client.wait_for_state(NodeState.WAITING_FOR_CLOUD)
        source = multiprocessing.get_context("spawn").Process(target=keep_busy, args=(client.pid, options.seed))
        source.start()
        stack.callback(source.kill)
        for _ in range(3):
            client.wait(lambda: client.running, "an inference")
            client.wait(lambda: not client.running, "its end")
        for text in KNOWN:
            ask(client, text)
        new = (
            f"{look} {kind} {place} {number}"
            for number in itertools.count()
            for look, kind, place in itertools.product(LOOKS, KINDS, PLACES)
        )
        rounds = {
            "cached text": measure(client, itertools.cycle(KNOWN), options.queries, options.pause),
            "new text": measure(client, new, options.new_queries, options.pause),
        }
        inference = client.diagnostics()["mean_inference_s"]
    print(
        f"{os.cpu_count()} CPU cores, {len(os.sched_getaffinity(0))} usable, load {os.getloadavg()[0]:.1f}; "
        f"{float(inference):.1f} s per inference"
    )
    sys.exit(report(rounds))


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=1000, help="with cached texts")
    parser.add_argument("--new-queries", type=int, default=1000, help="with new texts")
    parser.add_argument("--pause", type=float, default=0.02, help="mean seconds between an answer and the next query")
    parser.add_argument("--seed", type=int, default=500_000, help="of the generated room")
    return parser.parse_args()


def keep_busy(pid, seed):
    """Publish clouds of a generated room, the next one whenever an inference starts, so that one is always waiting.

    Runs in its own process, so that the client is not slowed down by publishing.
    """
    room, rng, number = replace(make_room(seed, RoomConfig()).cloud, frame_id="map"), np.random.default_rng(0), 0
    clouds = [to_message(room[rng.random(len(room)) < SHARE], k * 1_000_000_000) for k in range(1, CLOUDS + 1)]
    client, begun = Client(pid, LISTEN), threading.Event()
    client.on("state", lambda state: state.state == NodeState.RUNNING and begun.set())
    while True:
        client.publish_message(clouds[number % CLOUDS])
        number += 1
        begun.wait(PATIENCE)
        begun.clear()


def ask(client, text):
    """Seconds of one query; exits if there is no answer."""
    reply, seconds = client.call(FindObjects, "find_objects", query=text)
    if reply is None or reply.code not in (interfaces.ResultCode.OK, interfaces.ResultCode.NOT_FOUND):
        sys.exit(f"query_latency: {text!r} was not answered: {reply.message if reply else 'no reply'}")
    return seconds


def measure(client, texts, count, pause):
    """Rows (seconds, whether an inference was running) of queries at random times."""
    rng, rows = np.random.default_rng(0), []
    for text in itertools.islice(texts, count):
        time.sleep(rng.exponential(pause))
        running = client.running
        rows.append((ask(client, text), running))
    return np.array(rows)


def report(rounds):
    """Print the table. Returns the exit code."""
    table, missed = [], 0
    for name, rows in rounds.items():
        p50, p99 = np.percentile(rows[:, 0], (50, 99))
        missed += p99 > TARGETS[name]
        verdict = f"p99 under {1000 * TARGETS[name]:.0f}: {'no' if p99 > TARGETS[name] else 'yes'}"
        milliseconds = (f"{1000 * value:.1f}" for value in (p50, p99, rows[:, 0].max()))
        table.append((name, str(len(rows)), f"{100 * rows[:, 1].mean():.0f} %", *milliseconds, verdict))
    print_table(table, ("queries with", "number", "during inference", "p50 ms", "p99 ms", "max ms", "target"))
    return int(missed > 0)


if __name__ == "__main__":
    main()
