# SPDX-License-Identifier: Apache-2.0
"""What a pipeline claims about a generated room, and whether it is right: published objects and first answers."""

from collections import Counter

import numpy as np

from ..evaluation import RIGHT_IOU
from ..scene.find import ObjectQuery
from ..synthetic import KIND_NAMES, KINDS, OBJECT_KINDS
from ..words.neighbours import neighbours

OBJECTS, NAMES, SYNONYMS, COLORS = "published objects", "answers by name", "answers by synonym", "answers by colour"
CLAIM_KINDS = (OBJECTS, NAMES, SYNONYMS, COLORS)
ANSWERS = {"name": NAMES, "held-out synonym": SYNONYMS, "colour and name": COLORS}  # by kind of question
REAL, FRAGMENT, STRUCTURE, OTHER = "objects", "fragments", "walls, floors, ceilings", "others"
PUBLISHED = (REAL, FRAGMENT, STRUCTURE, OTHER)  # what a published object can be


def object_claims(scene, published, table):
    """Claims of the published objects, rows (score, confidence, right, absent), and a Counter of what they are.

    published: indices into scene.objects; table: OverlapTable of all scene.objects. Right: the mask has an IoU above
    RIGHT_IOU with an object of this kind.
    """
    rows, counts = [], Counter()
    iou, inside = table.iou, table.shared / np.maximum(table.sizes, 1)[:, None]
    for k in published:
        item, best = scene.objects[k], int(iou[k].argmax()) if iou.shape[1] else 0
        real = bool(iou.shape[1]) and iou[k, best] > RIGHT_IOU
        right = real and table.truth_labels[best] == item.label_index
        rows.append((item.score, scene.confidence(item), right, False))
        fragment, annotated = inside[k].max(initial=0) > 0.5, inside[k].sum() + table.ignored[k] / table.sizes[k]
        counts[REAL if real else FRAGMENT if fragment else STRUCTURE if annotated < 0.5 else OTHER] += 1
    return rows, counts


def answer_claims(pipeline, scene, room, asked, iou, kinds=OBJECT_KINDS):
    """Claims of first answers, dict of CLAIM_KINDS to rows (score, confidence, right, absent).

    asked: dict over the kinds of questions of (text, right rows of room.objects), see `questions`; iou: [K, G] of
    scene.objects. Names and held-out synonyms of all `kinds` that the room does not have are asked for as well, and
    colours that none of a kind has.
    """
    place = {item.id: k for k, item in enumerate(scene.objects)}
    rows = {kind: [] for kind in ANSWERS.values()}

    def ask(kind, text, wanted):
        match = first_match(pipeline, scene, text)
        if match is not None:
            right = bool(wanted) and iou[place[match.object.id], sorted(wanted)].max() > RIGHT_IOU
            rows[kind].append((match.score, match.confidence, right, not wanted))

    for question, texts in asked.items():
        for text, wanted in texts:
            ask(ANSWERS[question], text, wanted)
    for name in absent_kinds(room, kinds):
        ask(NAMES, name, ())
        for text in KINDS[name].held_out:
            ask(SYNONYMS, text, ())
    for text in absent_colors(room, asked):
        ask(COLORS, text, ())
    return rows


def first_match(pipeline, scene, text):
    """The best Match of a text, however weak; None in a scene without objects."""
    matches = pipeline.find(ObjectQuery(text, max_results=1, min_score=-1.0), scene).matches
    return matches[0] if matches else None


def absent_kinds(room, kinds=OBJECT_KINDS):
    """List of the kinds of which, and of whose `neighbours`, a Room has no point."""
    present = {item.kind for item in room.objects} | {KIND_NAMES[kind] for kind in np.unique(room.kind)}
    return [name for name in kinds if present.isdisjoint((name, *neighbours(name)))]


def absent_colors(room, asked):
    """List of texts, colour and name, for the kinds that are asked for: a colour of other things in the Room."""
    colors = {}
    for item in room.objects:
        colors.setdefault(item.kind, set()).add(item.color)
    everywhere = set().union(*colors.values()) if colors else set()
    others = {name: sorted(everywhere - colors[name]) for name, _ in asked["name"]}
    return [f"{free[0]} {name}" for name, free in others.items() if free]
