#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Do objects keep their identities while a map grows, drifts, closes a loop and changes?

Usage: tools/env.sh python -m benchmarks.sequence [-n 30] [--network 5]

A generated room is revealed in 14 maps. The drift of new parts grows by 1.2 cm per map, until the seventh closes the
loop and moves everything by 1 m and 7 degrees. From the tenth on, up to three objects are moved (by at least 1 m, so
that they count as new ones) and up to three are removed.

truth: instances from the ground truth, with one in ten missing, one in twenty mislabelled, a tenth of the voxels lost
and noise on the features. network: instances of the demo weights; one with an IoU of 0.5 or more with an object is an
observation of it. Prints, over all sequences, how often an object was found with another id, which ids are still known
three maps after removal, ids that were lost while the object was there, and ids that were assigned twice. Exits with 1
if `truth` misses a target: less than 2 % other ids, nothing left after three views, no id twice.
"""

import argparse
import sys
import time

from tqdm import tqdm

from benchmarks.sequences import Tally, TruthPipeline, by_overlap, make_sequence, play
from spaceformer_ros.cli.tables import print_table
from spaceformer_ros.pipeline import build_pipeline
from spaceformer_ros.timing import Stopwatch
from spaceformer_ros.training.validate import all_kinds_config


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=30, help="sequences of instances from the truth (default %(default)s)")
    parser.add_argument("--network", type=int, default=5, help="sequences for the network (default %(default)s)")
    parser.add_argument("--first-seed", type=int, default=700_000)
    parser.add_argument("--checkpoint", default="demo")
    parser.add_argument("--verbose", action="store_true", help="print every error")
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.n)
    columns = {"truth": run(seeds, of_truth, options.verbose)}
    if options.network:
        pipeline = build_pipeline(all_kinds_config(checkpoint=options.checkpoint))
        seeds = range(options.first_seed, options.first_seed + options.network)
        columns["network"] = run(seeds, lambda sequence, seed: of_network(sequence, pipeline), options.verbose)
    rows = zip(*(figures(*column) for column in columns.values()))
    print_table([(row[0][0], *(value for _, value in row)) for row in rows], ("figure", *columns))
    truth = columns["truth"][0]
    if truth.switches >= 0.02 * truth.observations or truth.ghosts or truth.reused:
        sys.exit(1)


def of_truth(sequence, seed):
    truth = TruthPipeline(sequence, seed)
    return play(sequence, truth.process, truth.identify)


def of_network(sequence, pipeline):
    pipeline.clear()
    return play(sequence, lambda step: pipeline.process(step.cloud, Stopwatch()).scene, by_overlap)


def run(seeds, follow, verbose):
    """Tally of the sequences of all seeds, and seconds for each in the mean. follow: (Sequence, seed) -> Tally."""
    total, start = Tally(), time.perf_counter()
    for seed in tqdm(seeds, unit="sequence", disable=None):
        tally = follow(make_sequence(seed), seed)
        total += tally
        for note in tally.notes if verbose else ():
            print(f"seed {seed}, {note}")
    return total, (time.perf_counter() - start) / max(len(seeds), 1)


def figures(tally, seconds):
    """Rows (figure, text) of a Tally."""

    def share(part, whole):
        return f"{part} of {whole} ({100 * part / max(whole, 1):.2f} %)"

    return [
        ("found under another id than before", share(tally.switches, tally.observations)),
        ("an id found on a different object", share(tally.passed, tally.observations)),
        ("still known 3 views after they were taken away", share(tally.ghosts, tally.taken_away)),
        ("ids lost while the object was still there", share(tally.lost, tally.known)),
        ("ids given twice", str(tally.reused)),
        ("found under another label than before", share(tally.renamed, tally.observations)),
        ("seconds per sequence", f"{seconds:.1f}"),
    ]


if __name__ == "__main__":
    main()
