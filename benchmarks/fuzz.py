#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How do the readers handle damaged PointCloud2 messages and cloud files?

Usage: tools/env.sh python -m benchmarks.fuzz -n 20000

Every input must give a valid cloud or a SpaceformerError, within limits of time and memory. Prints the counts, the
slowest input and the peak memory. `--seed S -n 1` repeats input S of a failure; every seed is one input.
"""

import argparse
import collections
import pathlib
import resource
import tempfile
import time
import tracemalloc

from benchmarks.mutations import fuzz_file, fuzz_message, valid_files


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=20_000, help="mutated messages (default %(default)s)")
    parser.add_argument("--files", type=int, default=2000, help="mutated files per format (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="first seed (default %(default)s)")
    options = parser.parse_args()
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


def report(title, rows):
    """rows: (seed, Outcome)."""
    start, counts, slowest, largest = time.perf_counter(), collections.Counter(), (0.0, None), (0, None)
    for seed, outcome in rows:
        counts[outcome.text] += 1
        slowest = max(slowest, (outcome.seconds, seed), key=lambda row: row[0])
        largest = max(largest, (outcome.peak, seed), key=lambda row: row[0])
    print(f"\n{title}: {counts.total()} inputs in {time.perf_counter() - start:.1f} s")
    for text, count in counts.most_common():
        print(f"{count:8d}  {text}")
    print(
        f"  slowest {1000 * slowest[0]:.1f} ms (seed {slowest[1]}); most memory {largest[0] / 1024:.0f} KiB "
        f"(seed {largest[1]})"
    )


if __name__ == "__main__":
    main()
