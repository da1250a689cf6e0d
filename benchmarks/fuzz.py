#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How do readers and services handle damaged and hostile messages, files and requests?

Usage: tools/env.sh python -m benchmarks.fuzz -n 20000

Every input must give a valid result or a SpaceformerError, within limits of time and memory. Prints the counts, the
slowest input and the peak memory. `--seed S -n 1` repeats input S of a failure; every seed is one input. Then every
reader of the package gets mutated files, and files such as pipes, devices, bombs and yaml with aliases. Exit code 1 if
one of these hangs, raises another exception or exceeds a limit.

Last, every service of a node in a process of its own gets hostile requests over DDS (`--requests` for each, in
`--rounds`, so that memory that grows without end shows). Each must
be answered within 35 s, as texts are embedded for 30 s at most, in printable words and a reply of bounded size;
afterwards the node must answer ordinary requests. `--only PART` runs one of the parts.
"""

import argparse
import collections
import itertools
import pathlib
import resource
import sys
import tempfile
import time
import tracemalloc

import numpy as np

from benchmarks.mutations import fuzz_file, fuzz_message, fuzz_reader, valid_files
from benchmarks.readers import hostile_files, readers, try_in_process


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=20_000, help="mutated messages (default %(default)s)")
    parser.add_argument("--files", type=int, default=2000, help="mutated files per format (default %(default)s)")
    parser.add_argument("--requests", type=int, default=300, help="requests per service (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=6, help="of requests, each with a new map (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="first seed (default %(default)s)")
    parser.add_argument("--only", choices=PARTS, help="run this part only")
    options = parser.parse_args()
    failures = sum(part(options) for name, part in PARTS.items() if options.only in (None, name))
    print(f"\n{failures} failures")
    sys.exit(1 if failures else 0)


def try_clouds(options):
    """Decode mutated messages and read mutated cloud files. Stops at the first failure; returns 0."""
    tracemalloc.start()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seeds = range(options.seed, options.seed + options.n)
    report("messages", ((seed, fuzz_message(seed)) for seed in seeds))
    with tempfile.TemporaryDirectory() as folder:
        for name, content in valid_files(pathlib.Path(folder)).items():
            seeds = range(options.seed, options.seed + options.files)
            report(name, ((seed, fuzz_file(folder, name, content, seed)) for seed in seeds))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"\npeak memory of the process: {before / 1024:.0f} MiB before, {after / 1024:.0f} MiB after")
    tracemalloc.stop()
    return 0


def try_services(options):
    """Send hostile requests to a live node. Prints what happened; returns the number of failures."""
    from benchmarks.service_requests import fuzz_services  # needs ROS, the other parts do not

    ends = np.linspace(options.seed, options.seed + options.requests, options.rounds + 1).astype(int)
    outcomes, grown, failures = fuzz_services([range(*pair) for pair in itertools.pairwise(ends.tolist())])
    for name, rows in outcomes.items():
        report(name, rows, "largest reply")
    print(f"\nthe node had grown by {', '.join(f'{mib:.0f}' for mib in grown)} MiB after each round")
    for failure in failures:
        print(f"WRONG: {failure}")
    return len(failures)


def try_readers(options):
    """Give every reader mutated and hostile files. Prints what happened; returns the number of failures."""
    failures = 0
    for name, reader in readers().items():
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / name
            reader.write(path)
            reader.read(path)
            content, hostile = path.read_bytes(), hostile_files(pathlib.Path(folder), name)
            tracemalloc.start()
            seeds = range(options.seed, options.seed + options.files)
            try:
                report(name, ((seed, fuzz_reader(path, reader.read, content, seed)) for seed in seeds))
            except AssertionError as error:
                print(f"{name}: WRONG: {error}")
                failures += 1
            tracemalloc.stop()
            for title, hostile_path in hostile.items():
                text, seconds, grown = try_in_process(reader.read, hostile_path)
                print(f"  {name}, {title}: {text[:100]!r} in {seconds:.2f} s, {grown >> 20} MiB")
                failures += text.startswith("WRONG")
    return failures


def report(title, rows, peak="most memory"):
    """rows: (seed, Outcome); peak: what Outcome.peak is."""
    start, counts, slowest, largest = time.perf_counter(), collections.Counter(), (0.0, None), (0, None)
    for seed, outcome in rows:
        counts[outcome.text] += 1
        slowest = max(slowest, (outcome.seconds, seed), key=lambda row: row[0])
        largest = max(largest, (outcome.peak, seed), key=lambda row: row[0])
    print(f"\n{title}: {counts.total()} inputs in {time.perf_counter() - start:.1f} s")
    for text, count in counts.most_common():
        print(f"{count:8d}  {text}")
    print(
        f"  slowest {1000 * slowest[0]:.1f} ms (seed {slowest[1]}); {peak} {largest[0] / 1024:.0f} KiB "
        f"(seed {largest[1]})"
    )


PARTS = {"clouds": try_clouds, "readers": try_readers, "services": try_services}

if __name__ == "__main__":
    main()
