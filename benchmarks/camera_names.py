#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How much do the robot's cameras improve the names of objects?

Usage: tools/env.sh python -m benchmarks.camera_names [-n 10] [--views 40] [--checkpoint demo] [--few-frames]

A checkpoint segments generated rooms; then a camera walks through them, and a simulated detector names what it sees.
The detector finds an object in view with probability 0.7, its boxes are off by up to 6 % of their size, a fifth of the
right boxes have the name of a sister (one of the three most similar names), and a fifth of all its detections are where
nothing is. Its list has 80 % of the generator's kinds. The share of questions whose first answer is right is compared
with that of the text scores alone; once more with a detector that always gives a wrong word. With --few-frames the maps
are made from a few frames, as of a robot that has just started.
"""

import argparse
from dataclasses import replace

import numpy as np
from tqdm import tqdm

from benchmarks.evaluate_rooms import unseen_config
from benchmarks.walks import CAMERA, jittered_box, make_walk
from spaceformer_ros.cameras.render import MapPoints
from spaceformer_ros.cameras.voting import Detection, Voter
from spaceformer_ros.cli.tables import print_table
from spaceformer_ros.evaluation import MIN_REGION_POINTS, first_right_rank, overlap, success
from spaceformer_ros.pipeline import build_pipeline
from spaceformer_ros.scene.evidence import with_sightings
from spaceformer_ros.synthetic import OBJECT_KINDS, QUESTION_KINDS, RoomConfig, questions
from spaceformer_ros.training.validate import all_kinds_config, prediction_of, ranking, truth_of

RECALL, PRECISION, CONFUSION = 0.7, 0.8, 0.2
KNOWN = 0.8  # share of the kinds that are in the detector's list
SISTERS = 3  # most similar names
CASES = ("text scores alone", "with detections", "with wrong detections only")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="demo")
    parser.add_argument("-n", type=int, default=10, help="rooms (default: %(default)s)")
    parser.add_argument("--views", type=int, default=40, help="images of each room (default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=500_000)
    parser.add_argument("--few-frames", action="store_true")
    parser.add_argument("--unseen", action="store_true", help="rooms with furniture models that no training room has")
    options = parser.parse_args()
    pipeline = build_pipeline(all_kinds_config(checkpoint=options.checkpoint))
    detector = Detector(pipeline, np.random.default_rng(7))
    config = unseen_config() if options.unseen else RoomConfig()
    if config is None:
        return
    if options.few_frames:
        config = replace(config, tours=(0.0, 0.0, 1.0))
    ranks = {case: {kind: [] for kind in QUESTION_KINDS} for case in CASES}
    labels = {case: [] for case in CASES}
    for seed in tqdm(range(options.first_seed, options.first_seed + options.n), unit="room", disable=None):
        walk = make_walk(seed, config)
        for case, scene in scenes(pipeline, walk, detector, options.views, seed):
            add_answers(ranks[case], labels[case], pipeline, scene, walk.room)
    rows = [
        (case, *(f"{success(ranks[case][kind], 1):.3f}" for kind in QUESTION_KINDS), f"{np.mean(labels[case]):.3f}")
        for case in CASES
    ]
    print_table(rows, ("first answer right", *(f"by {kind}" for kind in QUESTION_KINDS), "right labels"))
    print(", ".join(f"{len(ranks[CASES[0]][kind])} questions by {kind}" for kind in QUESTION_KINDS))


def scenes(pipeline, walk, detector, views, seed):
    """(case, Scene) of each of CASES."""
    pipeline.clear()
    scene = pipeline.process(walk.room.cloud).scene
    yield CASES[0], scene
    voter = Voter(MapPoints(scene.cloud.xyz), scene.instances, scene.objects)
    for case, wrong in ((CASES[1], False), (CASES[2], True)):
        rng, named = np.random.default_rng(seed), scene
        for pose in walk.poses(views, rng):
            detections = detector.detect(walk, pose, rng, wrong)
            named = with_sightings(named, voter.sightings(CAMERA, pose.inverse, detections))
        yield case, named


def add_answers(ranks, labels, pipeline, scene, room):
    """Add the ranks of right answers by kind of question, and whether each found object has the right label."""
    truth = truth_of(room)
    iou = overlap(prediction_of(scene, background=True), truth).iou
    for kind, asked in questions(room, MIN_REGION_POINTS).items():
        ranks[kind] += [first_right_rank(iou, ranking(pipeline, scene, text), wanted) for text, wanted in asked]
    for row, item in enumerate(scene.objects):
        best = iou[row].argmax() if iou.shape[1] else 0
        if iou.shape[1] and iou[row, best] >= 0.5:
            labels.append(item.label == room.objects[best].kind)


class Detector:
    """A simulated detector of images with a list of words."""

    def __init__(self, pipeline, rng):
        self.words = tuple(sorted(rng.choice(OBJECT_KINDS, round(KNOWN * len(OBJECT_KINDS)), replace=False).tolist()))
        vectors = pipeline.embedder.embed(tuple(OBJECT_KINDS))
        known = np.array([OBJECT_KINDS.index(word) for word in self.words])
        cosine = vectors @ vectors[known].T
        cosine[known, np.arange(len(known))] = -1
        self._sisters = np.argsort(-cosine, axis=1)[:, :SISTERS]

    def detect(self, walk, pose, rng, wrong):
        """List of Detection in the view of a Walk from a pose. wrong: all words are wrong."""
        found = []
        for item, pixels in walk.in_view(walk.see(pose)):
            word = self._word(item.kind, rng, wrong)
            if word and rng.random() < RECALL:
                found.append(Detection(word, rng.uniform(0.4, 0.95), jittered_box(pixels, rng)))
        for _ in range(rng.binomial(max(len(found), 1), (1 - PRECISION) / PRECISION)):
            corner, size = rng.uniform(0, (260, 180)), rng.uniform(20, 120, 2)
            found.append(Detection(str(rng.choice(self.words)), rng.uniform(0.3, 0.8), (*corner, *(corner + size))))
        return found

    def _word(self, kind, rng, wrong):
        """What the detector calls a thing, "" if its list has nothing for it."""
        if wrong:
            return str(rng.choice([word for word in self.words if word != kind]))
        sister = self.words[self._sisters[OBJECT_KINDS.index(kind), rng.integers(SISTERS)]]
        if kind not in self.words:  # it takes the thing for something similar, or finds nothing
            return sister if rng.random() < CONFUSION else ""
        return sister if rng.random() < CONFUSION else kind


if __name__ == "__main__":
    main()
