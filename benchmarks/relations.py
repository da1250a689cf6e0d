#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How often are relations between objects right? Measured on generated rooms, whose relations are known.

Usage: tools/env.sh python -m benchmarks.relations [-n 40] [--first-seed 500000] [--theme kitchen] [--network demo]

Relations are found on the true masks of a simulated scan, or with --network on the masks of a checkpoint. There a found
object is the true one whose mask it overlaps by an IoU of at least 0.5; relations of objects without a partner are
neither right nor wrong, and "recall of all" counts those of objects that were not found as missing. Cases that the
definitions leave undecided (docs/graph.md) do not count. --errors lists the wrong and the missing ones.
"""

import argparse
from collections import Counter

import numpy as np
from tqdm import tqdm

from spaceformer_ros.cli.tables import figure_text, print_table
from spaceformer_ros.geometry.floor import base_height
from spaceformer_ros.graph.relations import BUILDING, KINDS, find_relations
from spaceformer_ros.graph.surfaces import Body, exclusive
from spaceformer_ros.synthetic import RoomConfig, make_room, object_points
from spaceformer_ros.synthetic.relations import WALLS, true_relations

MIN_IOU = 0.5  # of the masks of a found object and a true one that are the same


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=40, help="rooms (default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=500_000)
    parser.add_argument("--theme", help="of all rooms; drawn for each room by default")
    parser.add_argument("--network", metavar="CHECKPOINT", help="masks of this checkpoint instead of the true ones")
    parser.add_argument("--errors", action="store_true", help="list wrong and missing relations")
    options = parser.parse_args()
    masks_of = network_masks(options.network) if options.network else object_points
    counts = Counter()
    for seed in tqdm(range(options.first_seed, options.first_seed + options.n), unit="room", disable=None):
        room = make_room(seed, RoomConfig(theme=options.theme))
        for outcome, kind, text in compare(room, masks_of(room)):
            counts[outcome, kind] += 1
            if options.errors and outcome in ("wrong", "missing"):
                print(f"{seed}: {outcome}: {text}")
    print_table(rows_of(counts), ("relation", "right", "wrong", "missing", "precision", "recall", "recall of all"))


def network_masks(checkpoint):
    """A function: the masks of a checkpoint in a Room, point rows or None for each of its objects."""
    from spaceformer_ros.pipeline import build_pipeline
    from spaceformer_ros.training.validate import all_kinds_config

    pipeline = build_pipeline(all_kinds_config(checkpoint=checkpoint))

    def masks_of(room):
        pipeline.clear()
        scene = pipeline.process(room.cloud).scene
        shown = scene.published(pipeline.config.postprocess)
        masks = [np.flatnonzero(scene.instances.point_mask(item.row)) for item in shown]
        return [_partner(points, masks) for points in object_points(room)]

    return masks_of


def _partner(points, masks):
    """The mask with the largest IoU with some points, both as point rows; None below MIN_IOU."""
    shared = np.array([len(np.intersect1d(points, mask)) for mask in masks])
    iou = shared / np.array([len(points) + len(mask) for mask in masks] - shared)
    best = int(iou.argmax()) if len(masks) else None
    return masks[best] if best is not None and iou[best] >= MIN_IOU else None


def compare(room, masks):
    """Rows (outcome, kind, text) of the relations of a Room: "right", "wrong", "missing", "unseen".

    masks: point rows of each of its objects, None for those that were not found.
    """
    xyz, seen = room.cloud.xyz, [row for row, mask in enumerate(masks) if mask is not None]
    free = np.ones(len(xyz), dtype=bool)
    for row in seen:
        free[masks[row]] = False
    own = exclusive([masks[row] for row in seen], len(xyz))
    found = find_relations([Body.of(xyz[rows]) for rows in own], xyz[free], [base_height(xyz[:, 2])])
    found = {(seen[r.subject], r.kind, WALLS if r.target == BUILDING else seen[r.target]) for r in found}
    true = true_relations(room)

    def text(key):
        one, kind, other = key
        return f"{room.objects[one].kind} {kind} {other if other == WALLS else room.objects[other].kind}"

    for key in sorted(found, key=str):
        if key not in true or true[key]:
            yield "right" if key in true else "wrong", key[1], text(key)
    for key in (key for key, holds in true.items() if holds and key not in found):
        visible = key[0] in seen and (key[2] == WALLS or key[2] in seen)
        yield "missing" if visible else "unseen", key[1], text(key)


def rows_of(counts):
    """Rows of the table of figures from a Counter of (outcome, kind)."""
    rows = []
    for kind in KINDS:
        right, wrong, missing, unseen = (counts[name, kind] for name in ("right", "wrong", "missing", "unseen"))
        shares = (right / whole if whole else float("nan") for whole in (right + wrong, right + missing))
        recall_of_all = right / max(right + missing + unseen, 1)
        rows.append((kind, right, wrong, missing, *(figure_text(share) for share in (*shares, recall_of_all))))
    return rows


if __name__ == "__main__":
    main()
