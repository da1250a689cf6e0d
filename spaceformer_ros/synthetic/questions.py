# SPDX-License-Identifier: Apache-2.0
"""Queries for a generated room, with the right objects of each."""

import numpy as np

QUESTION_KINDS = ("name", "held-out synonym", "colour and name")


def questions(room, min_points=100):
    """Dict over QUESTION_KINDS of lists of (text, set of rows of room.objects that are right answers).

    By canonical name, by a synonym that is in no training caption, and by colour and name where objects of one kind
    differ in colour. Objects with fewer than min_points points are neither asked for nor right.
    """
    sizes = np.bincount(room.instance[room.instance >= 0], minlength=len(room.objects))
    by_kind = {}
    for row, item in enumerate(room.objects):
        if sizes[row] >= min_points:
            by_kind.setdefault(item.kind, set()).add(row)
    asked = {kind: [] for kind in QUESTION_KINDS}
    for name, rows in by_kind.items():
        asked["name"].append((name, rows))
        asked["held-out synonym"] += [(text, rows) for text in room.objects[min(rows)].held_out_names]
        colors = {}
        for row in rows:
            colors.setdefault(room.objects[row].color, set()).add(row)
        if len(colors) > 1:
            asked["colour and name"] += [(f"{color} {name}", colors[color]) for color in sorted(colors)]
    return asked
