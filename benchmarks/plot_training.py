#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draw the loss curves of a training run: tools/env.sh python -m benchmarks.plot_training RUN/log.jsonl curves.png"""

import argparse
import json
import pathlib

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

PARTS = ("loss", "caption", "dice", "bce", "objectness", "semantic", "foreground", "offset")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", type=pathlib.Path)
    parser.add_argument("picture", type=pathlib.Path)
    parser.add_argument("--window", type=int, default=50, help="steps that are averaged (default: %(default)s)")
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.log.read_text().splitlines()]
    figure, axes = plt.subplots(2, 4, figsize=(14, 6), sharex=True, layout="constrained")
    for axis, part in zip(axes.flat, PARTS):
        present = [(row["step"], row[part]) for row in rows if part in row]
        steps, values = np.array(present).T
        axis.plot(*(moving_mean(column, options.window) for column in (steps, values)))
        axis.set_title(part)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
    figure.supxlabel("step")
    figure.savefig(options.picture, dpi=80)


def moving_mean(values, window):
    return np.convolve(values, np.ones(window) / window, mode="valid")


if __name__ == "__main__":
    main()
