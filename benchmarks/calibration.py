#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What do the scores of a checkpoint mean? Fits its calibration on some generated rooms and measures it on others.

Usage: tools/env.sh python -m benchmarks.calibration [--checkpoint demo] [-n 60] [--test 40] [--write FILE]

Fits on N rooms (seeds from 450,000) with one half of the furniture models that no training room has, as real maps have
such shapes, where `spaceformer assets` has read them. Prints the curves, then for other rooms (seeds from 500,000),
generated ones, ones with the other half of these models and ones with both halves: the expected calibration error of
objects and first answers and, by threshold of confidence, the share of questions for absent things that get a match and
the share of right first answers that are lost. With --write the calibration is stored in a checkpoint file.
"""

import argparse
from dataclasses import replace

from tqdm import tqdm

from benchmarks.evaluate_rooms import room_configs
from spaceformer_ros.cli.tables import figure_text, print_table
from spaceformer_ros.config import Config
from spaceformer_ros.disk.paths import cache_folder
from spaceformer_ros.evaluation.calibration import Claims
from spaceformer_ros.pipeline import build_pipeline
from spaceformer_ros.synthetic import OBJECT_KINDS, RoomConfig, make_room
from spaceformer_ros.synthetic.assets import HALVES, default_folder, only_models_config
from spaceformer_ros.training.claims import ANSWERS, CLAIM_KINDS, OBJECTS
from spaceformer_ros.training.validate import all_kinds_config, evaluate_room
from spaceformer_ros.weights.checkpoint import add_calibration
from spaceformer_ros.words.calibration import CURVES, Calibration

THRESHOLDS = (0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="demo")
    parser.add_argument("-n", type=int, default=60, help="rooms for the fit (default: %(default)s)")
    parser.add_argument("--test", type=int, default=40, help="rooms of each kind for the test (default: %(default)s)")
    parser.add_argument("--write", metavar="FILE", help="checkpoint file in which the calibration is stored")
    options = parser.parse_args()
    pipeline = build_pipeline(all_kinds_config(checkpoint=options.checkpoint, confidence_threshold=0.0))
    fit, tests = fit_and_test()
    claims = collect(pipeline, fit, 450_000, options.n)
    models = "with held-out furniture models" if len(tests) > 1 else "without furniture models"
    fitted_on = f"{options.n} generated rooms (seeds from 450000, {models}), {len(OBJECT_KINDS)} kinds as vocabulary"
    curves = {name: claims[kind].fit_curve() for name, kind in zip(CURVES, CLAIM_KINDS)}
    calibration = Calibration(**curves, fitted_on=fitted_on)
    for name, curve in curves.items():
        print_table([(f"{s:.3f}", f"{v:.3f}") for s, v in zip(curve.scores, curve.shares)], (f"{name}: score", "right"))
    for title, config in tests.items():
        report(title, collect(pipeline, config, 500_000, options.test), calibration)
    if options.write:
        print(f"{options.write}: SHA-256 {add_calibration(options.write, calibration)}")


def fit_and_test():
    """The RoomConfig of the rooms of the fit, and a dict of title to that of the tests."""
    tests = room_configs()
    if len(tests) == 1:
        return RoomConfig(), tests
    folder = default_folder(cache_folder(Config().model))
    fit, other = (only_models_config(folder, half) for half in HALVES)
    return fit, {**tests, "other half": other}


def collect(pipeline, config, first_seed, count):
    """Dict of CLAIM_KINDS to the Claims about rooms of a RoomConfig."""
    rows = {kind: [] for kind in CLAIM_KINDS}
    for i in tqdm(range(count), unit="room", disable=None):
        room = make_room(first_seed + i, config)
        for kind, found in evaluate_room(pipeline, room).claims.items():
            rows[kind] += found
    return {kind: Claims.of(found) for kind, found in rows.items()}


def report(title, claims, calibration):
    """Print what a Calibration is worth on the Claims of other rooms, of objects those that it lets publish."""
    curves = {kind: getattr(calibration, name) for name, kind in zip(CURVES, CLAIM_KINDS)}
    is_published = calibration.objects(claims[OBJECTS].score) >= Config().postprocess.confidence_threshold
    claims = {**claims, OBJECTS: claims[OBJECTS].selected(is_published)}
    judged = {kind: replace(claims[kind], confidence=curve(claims[kind].score)) for kind, curve in curves.items()}
    raw = {kind: replace(found, confidence=found.score) for kind, found in claims.items()}
    rows = [
        (kind, len(found.score), figure_text(raw[kind].expected_error()), figure_text(found.expected_error()))
        for kind, found in judged.items()
    ]
    print_table(rows, (title, "claims", "error of the score", "error of the confidence"))
    header, rows = ["confidence"], []
    for kind in ANSWERS.values():
        header += [f"{kind}: absent matched", "right lost"]
    for threshold in THRESHOLDS:
        measures = [f for kind in ANSWERS.values() for f in (judged[kind].matched_absent, judged[kind].lost_right)]
        rows.append((f"{threshold:g}", *(figure_text(measure(threshold)) for measure in measures)))
    print_table(rows, header)


if __name__ == "__main__":
    main()
