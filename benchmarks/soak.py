#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does the node stay stable over hours? `make soak` (two hours), or tools/env.sh python -m benchmarks.soak --minutes 5.

The node (demo weights) runs in its own process. A simulated robot explores generated rooms in a loop: the map grows by
a part of a room at a time and starts again with other rooms when it is complete; stamps advance at ten times real
speed. Meanwhile a client sends queries, some with new texts, and changes the vocabulary. Printed once a minute and at
the end: resident memory, missed latched messages, failed queries. Exit code 1 if memory grew by 5 % or more after the
warm-up, or anything was missed.
"""

import argparse
import functools
import itertools
import sys
import tempfile
import time
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.live_node import NodeState, live_node, resident_mib
from spaceformer_ros.cli.tables import print_table
from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.ros import interfaces
from spaceformer_ros.synthetic import RoomConfig, make_room

SPEED = 10  # of the stamps
PARTS = 3  # in which a room is revealed
ROOMS = 2  # of one map
APART = 15.0  # metres between the rooms of a map
MAX_POINTS = 40_000  # of a room
SEEDS = range(500_000, 500_004)  # of the rooms, ROOMS of them in a map
LOOP = PARTS * len(SEEDS)  # clouds per loop
WARM_UP = 0.2  # share of the loops, at least the first one, after which memory must be constant
MAX_GROWTH = 0.05
QUERY_PERIOD, WORDS_PERIOD = 0.2, 10.0  # seconds
RESULT_PATIENCE = 120.0  # seconds from a cloud to its result
SETTLE = 0.5  # seconds after a result, in which unused memory is returned to the system
LATCHED_PATIENCE = 20.0  # seconds from an event to its latched message
USUAL = ("chair", "couch", "plant", "television", "lamp")
VOCABULARIES = (
    ("chair", "sofa|couch", "table", "lamp"),
    ("furniture", "plant", "device"),
    ("seat", "box", "cabinet", "bed"),
)


@dataclass
class Tally:
    """Counts of actions and of missed results."""

    clouds: int = 0
    results: int = 0
    queries: int = 0
    vocabularies: int = 0
    failed_queries: int = 0
    missed_updates: int = 0


def main():
    options = parse_options()
    with tempfile.TemporaryDirectory() as cache, live_node(cache_dir=cache, min_update_interval=0.0) as client:
        client.wait_for_state(NodeState.WAITING_FOR_CLOUD)
        tally, memory = soak(client, 60 * options.minutes)
    sys.exit(report(tally, memory, options.minutes))


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=120.0)
    return parser.parse_args()


def soak(client, seconds):
    """Explore, query and change the vocabulary for a time. Returns the Tally and resident MiB after every result."""
    tally, memory, begun = Tally(), [], time.monotonic()
    maps, texts, words = walk(), other_texts(), itertools.cycle(VOCABULARIES)
    next_query = next_words = next_look = begun
    awaited, since = 0, begun  # map revision of the awaited result, and the start of waiting
    while (now := time.monotonic()) < begun + seconds:
        if revision(client) >= awaited:
            if awaited:
                tally.results += 1
                client.wait(lambda: not client.running, "the end of the inference")
                time.sleep(SETTLE)
                memory.append(resident_mib(client.pid))
            awaited, since = revision(client) + 1, now
            client.publish(replace(next(maps), stamp_ns=int(1e9 * (1 + SPEED * (now - begun)))))
            tally.clouds += 1
        elif now > since + RESULT_PATIENCE:
            raise TimeoutError(f"no result in {RESULT_PATIENCE:g} s: {client.latest['state'].text}")
        if now >= next_query and tally.results:
            next_query = now + QUERY_PERIOD
            ask(client, next(texts), tally)
        if now >= next_words:
            next_words = now + WORDS_PERIOD
            change_words(client, next(words), tally)
        if now >= next_look and memory:
            next_look = now + 60.0
            print(f"{(now - begun) / 60:6.1f} min, {memory[-1]:7.1f} MiB, {tally}", flush=True)
        time.sleep(0.01)
    check_latched(client, tally)
    return tally, np.array(memory)


def revision(client):
    """Map revision of the newest result, 0 before the first."""
    return client.latest["instances"].map_revision if "instances" in client.latest else 0


def walk():
    """Clouds of maps that grow by a part of a room at a time, endlessly."""
    for seed in itertools.cycle(SEEDS[::ROOMS]):
        seen = []
        for number in range(ROOMS):
            room = thin_room(seed + number)
            order = np.argsort(room.xyz[:, 0])
            for part in np.array_split(order, PARTS):
                seen.append((room.xyz[part] + np.float32([APART * number, 0, 0]), room.rgb[part]))
                yield Cloud(np.concatenate([xyz for xyz, _ in seen]), np.concatenate([rgb for _, rgb in seen]), "map")


@functools.cache
def thin_room(seed):
    """About MAX_POINTS points of a generated room at most."""
    room = make_room(seed, RoomConfig()).cloud
    return room[np.random.default_rng(seed).random(len(room)) < MAX_POINTS / len(room)]


def other_texts():
    """One text in five is new."""
    for number in itertools.count():
        yield f"thing number {number}" if number % 5 == 4 else USUAL[number % 5]


def ask(client, text, tally):
    """Count a query, and whether it was answered."""
    response = interfaces.FindObjects.Response
    reply, _ = client.call(interfaces.FindObjects, "find_objects", query=text)
    tally.queries += 1
    if reply is None or reply.code not in (response.OK, response.NOT_FOUND):
        tally.failed_queries += 1
        print(f"soak: {text!r} was not answered: {reply.message if reply else 'no reply'}", file=sys.stderr)


def change_words(client, labels, tally):
    """Change the vocabulary; the latched vocabulary, and the latched instances, if any, must follow."""
    reply, _ = client.call(interfaces.SetVocabulary, "set_vocabulary", labels=list(labels))
    tally.vocabularies += 1
    if reply is None or reply.code != reply.OK:
        tally.failed_queries += 1
        print(f"soak: the vocabulary did not change: {reply.message if reply else 'no reply'}", file=sys.stderr)
        return
    expect(client, "vocabulary", lambda message: message.revision >= reply.revision, tally)
    if client.counts.get("instances"):
        expect(client, "instances", lambda message: message.vocabulary_revision >= reply.revision, tally)


def check_latched(client, tally):
    """At the end every latched topic must have the newest result."""
    client.wait(lambda: not client.running, "the last result")

    def inferences():  # each has its own map revision
        return int(client.diagnostics()["inferences"])

    expect(client, "diagnostics", lambda _: inferences() == revision(client), tally)
    newest = client.latest["instances"].header.stamp
    expect(client, "labeled_cloud", lambda message: message.header.stamp == newest, tally)


def expect(client, topic, condition, tally):
    """Count a latched update as missed if its message does not arrive."""
    try:
        client.wait(lambda: topic in client.latest and condition(client.latest[topic]), topic, LATCHED_PATIENCE)
    except TimeoutError:
        tally.missed_updates += 1
        print(f"soak: no new message on {topic} within {LATCHED_PATIENCE:g} s", file=sys.stderr)


def report(tally, memory, minutes):
    """Print the table. Returns the exit code."""
    loops = memory[: len(memory) // LOOP * LOOP].reshape(-1, LOOP).mean(axis=1)
    if len(loops) < 3:
        sys.exit(f"soak: {len(memory)} results in {minutes:g} minutes, three loops are {3 * LOOP}: use more minutes")
    first, last = loops[int(np.ceil(WARM_UP * len(loops)))], loops[-1]
    growth = last / first - 1
    rows = [
        ("minutes", f"{minutes:g}", ""),
        ("clouds, results", f"{tally.clouds}, {tally.results}", ""),
        ("loops of the map", str(len(loops)), ""),
        ("queries", str(tally.queries), ""),
        ("vocabulary changes", str(tally.vocabularies), ""),
        ("resident memory, loop after warm-up", f"{first:.0f} MiB", ""),
        ("resident memory, last loop", f"{last:.0f} MiB ({100 * growth:+.1f} %)", f"under {100 * MAX_GROWTH:+.0f} %"),
        ("highest", f"{memory.max():.0f} MiB", ""),
        ("missed latched updates", str(tally.missed_updates), "0"),
        ("failed queries", str(tally.failed_queries), "0"),
    ]
    print_table(rows, ("soak", "found", "target"))
    return int(growth >= MAX_GROWTH or tally.missed_updates > 0 or tally.failed_queries > 0 or tally.results < 2)


if __name__ == "__main__":
    main()
