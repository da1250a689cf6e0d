#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which demo network is best after a given training time? Trains variants from scratch and validates each.

Usage: tools/env.sh python -m benchmarks.studies.variants OUT [--minutes 5] [--only base,wider] [--threads 1]

Every variant gets the same CPU time, so a larger network gets fewer steps: their number is measured first, and the
learning rate falls to zero over it. All use the same stream of rooms. Prints one row per variant:
parameters, steps, and figures on validation rooms (seeds from 400000). A finished variant is not trained
again. CPU time is used instead of wall time, so that other programs do not change the ranking.
"""

import argparse
import dataclasses
import json
import multiprocessing
import pathlib
import shutil
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import torch

from spaceformer_ros.cli.tables import print_table
from spaceformer_ros.config import Config
from spaceformer_ros.disk.paths import cache_folder
from spaceformer_ros.network.model import SpaCeFormerConfig, StageConfig
from spaceformer_ros.segment.backends import choose_device
from spaceformer_ros.training.train import TrainConfig, train
from spaceformer_ros.weights.checkpoint import DEMO_TEXT_MODEL
from spaceformer_ros.words.text_model import PromptEmbedder, load_text_encoder

PROBE_STEPS = 30  # the mean time of their second half decides how many steps fit
SHOWN = ("class-agnostic AP25", "class-agnostic AP50", "AP50", "mIoU", "first answer right, by name")


def scaled(stages, width=1.0, more_blocks=0):
    """Stages with channels times `width` (heads of the same size) and more blocks."""
    return tuple(
        StageConfig(round(s.channels * width), max(1, round(s.heads * width)), s.kind, s.size, s.depth + more_blocks)
        for s in stages
    )


def variants():
    """Dict name -> SpaCeFormerConfig; each differs from "base" in one setting."""
    base = SpaCeFormerConfig.demo()

    def change(**values):
        return dataclasses.replace(base, **values)

    def both(**values):
        return {part: scaled(getattr(base, part), **values) for part in ("encoder", "decoder")}

    return {
        "base": base,
        "wider (channels x 2)": change(**both(width=2.0)),
        "deeper (one block more per stage)": change(**both(more_blocks=1)),
        "voxels of 4 cm": change(voxel_size=0.04),
        "voxels of 6 cm": change(voxel_size=0.06),
        "200 queries": change(num_queries=200),
        "without offsets in the voxels": change(voxel_offsets=False),
        "50 queries": change(num_queries=50),
    }


def run_variant(name, model_config, folder, options):
    """Train one variant for about `minutes`; returns its row of the table as a dict. Runs in its own process."""
    result = folder / "result.json"
    if result.is_file():
        return json.loads(result.read_text())
    shutil.rmtree(folder, ignore_errors=True)
    torch.set_num_threads(options.threads or torch.get_num_threads())
    device = choose_device(options.device)
    encoder = load_text_encoder("", DEMO_TEXT_MODEL, cache_folder(Config().model))
    embedder = PromptEmbedder(encoder, ("{}",), folder.parent / "texts.sqlite")
    probe = train(config_of(PROBE_STEPS), model_config, folder / "probe", device, embedder)
    clock = "seconds" if device.type == "cuda" else "processor_seconds"
    steps = max(PROBE_STEPS, int(60 * options.minutes / np.mean(logged(folder / "probe", clock)[PROBE_STEPS // 2 :])))
    train(config_of(steps, validate=True), model_config, folder, device, embedder)
    figures = json.loads((folder / "validation.jsonl").read_text().splitlines()[-1])
    row = {
        "variant": name,
        "parameters": sum(p.numel() for p in probe.model.parameters()),
        "steps": steps,
        "minutes": sum(logged(folder, clock)) / 60,
        **{figure: figures[figure] for figure in SHOWN},
    }
    result.write_text(json.dumps(row, indent=1))
    return row


def config_of(steps, validate=False):
    """TrainConfig with this number of steps and the rates of the shipped checkpoint; validated once, at the end."""
    return TrainConfig(
        steps=steps,
        learning_rate=1.5e-3,
        reuse=5,
        any_heading_share=0.15,
        caption_weight=3.0,
        kind_balance=0.5,
        first_seed=3_000_000,
        validate_every=steps if validate else 0,
        validation_rooms=20,
    )


def logged(folder, name):
    """A figure of every step of a run."""
    return [json.loads(line)[name] for line in (folder / "log.jsonl").read_text().splitlines()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument(
        "--minutes", type=float, default=5.0, help="of processor time per variant (default: %(default)s)"
    )
    parser.add_argument("--only", default="", help="names, or their beginnings, joined by commas")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows, spawn = [], multiprocessing.get_context("spawn")
    for name, model_config in variants().items():
        if not name.startswith(tuple(options.only.split(","))):
            continue
        folder = options.out / name.split(" (")[0].replace(" ", "_")
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:  # frees the memory of each variant
            rows.append(pool.submit(run_variant, name, model_config, folder, options).result())
        print_table([[_text(value) for value in row.values()] for row in rows], list(rows[0]))


def _text(value):
    return f"{value:.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
