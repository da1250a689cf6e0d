# SPDX-License-Identifier: Apache-2.0
"""Names of rooms from the objects in them, as a distribution over the room names of the vocabulary file."""

from dataclasses import dataclass

import numpy as np

UNKNOWN_ROOM = "room"  # the name without evidence
UNKNOWN_WEIGHT = 0.7  # evidence that a name needs to be as probable as UNKNOWN_ROOM
SHARPNESS = 3.0  # of the softmax over evidence: one certain object that only one room name has gives 0.7
MAX_CANDIDATES, MAX_EVIDENCE = 5, 5


@dataclass(frozen=True)
class RoomName:
    """Name of a room.

    candidates: ((name, probability), ...), best first, probabilities sum to at most 1
    evidence: words such as "bed 12", strongest first
    """

    candidates: tuple
    evidence: tuple = ()

    @property
    def name(self):
        """The most probable name."""
        return self.candidates[0][0]


def name_room(objects, table):
    """The RoomName of a room with some objects.

    objects: list of (label, score in [0, 1], words)
    table: dict room name -> list of labels of objects that stand in such rooms

    An object is evidence for every name that lists its label, divided by their number: a bed speaks for a bedroom, a
    chair says little. Further objects of a label count half as much each.
    """
    names = [*table, UNKNOWN_ROOM]
    evidence, reasons = np.zeros(len(names)), {}
    evidence[-1] = UNKNOWN_WEIGHT
    seen = {}
    for label, score, words in sorted(objects, key=lambda row: -row[1]):
        rows = [row for row, name in enumerate(table) if label in table[name]]
        if rows:
            weight = score / len(rows) / 2 ** seen.get(label, 0)
            seen[label] = seen.get(label, 0) + 1
            evidence[rows] += weight
            for row in rows:
                reasons.setdefault(row, []).append((weight, words))
    probability = np.exp(SHARPNESS * (evidence - evidence.max()))
    probability /= probability.sum()
    order = np.argsort(-probability, kind="stable")[:MAX_CANDIDATES]
    best = sorted(reasons.get(int(order[0]), []), key=lambda row: -row[0])[:MAX_EVIDENCE]
    return RoomName(tuple((names[row], float(probability[row])) for row in order), tuple(words for _, words in best))
