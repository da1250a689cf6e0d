# SPDX-License-Identifier: Apache-2.0
"""Names that detectors in images gave to objects of the map: their sums, and their combination with text scores."""

from dataclasses import dataclass

import numpy as np

MAX_WORDS = 20  # of one object; the weakest are dropped
MAX_SUM = 200.0  # of the weights of one object: later detections can still change the name
PRIOR = 0.1  # weight of the text scores in the distribution of the detections; a detection at 2 m weighs about 0.3


@dataclass(frozen=True)
class Votes:
    """What detectors called one object.

    sums: tuple of (word, sum of weights, number of detections), largest sum first; words in lower case
    """

    sums: tuple = ()

    def plus(self, word, weight, count=1):
        """With one more detection. weight: in [0, 1], see `voting`."""
        table = {name: (total, number) for name, total, number in self.sums}
        total, number = table.get(word.lower(), (0.0, 0))
        table[word.lower()] = total + float(weight), number + count
        shrink = min(1.0, MAX_SUM / sum(total for total, _ in table.values()))
        rows = [(name, min(total * shrink, MAX_SUM), number) for name, (total, number) in table.items()]
        return Votes(tuple(sorted(rows, key=lambda row: (-row[1], row[0]))[:MAX_WORDS]))

    @property
    def total(self):
        """Sum of all weights."""
        return sum(total for _, total, _ in self.sums)

    @property
    def count(self):
        """Number of detections."""
        return sum(number for _, _, number in self.sums)

    def share(self, word):
        """Share of a word in the sum of the weights, 0 without any."""
        total = self.total
        return sum(weight for name, weight, _ in self.sums if name == word.lower()) / total if total else 0.0


NO_VOTES = Votes()


@dataclass(frozen=True)
class FusionRule:
    """When and how much detections count.

    inside, outside: weight l of the text scores, in [0, 1], for words that detectors have used in this map, and for
        others (see `fuse`)
    min_detections: detections with the same word that an object needs
    min_share: of the weights of its detections that the commonest word needs
    min_margin: probability by which the new name must exceed that of the text scores
    """

    inside: float
    outside: float
    min_detections: int
    min_share: float
    min_margin: float

    def admits(self, votes):
        """Whether the Votes of an object are enough."""
        if not votes.sums:
            return False
        _, weight, number = votes.sums[0]
        return number >= self.min_detections and weight >= self.min_share * votes.total


@dataclass(frozen=True)
class Names:
    """Probabilities of the L names of a vocabulary for O objects, and the best name of each.

    text: [O, L] float32, by the text scores alone
    fused: [O, L] float32, with the detections
    camera: [O, L] float32, share of the detections with each name
    best: [O] int64, the name of each object
    by_camera: [O] bool, whether detections changed it
    """

    text: np.ndarray
    fused: np.ndarray
    camera: np.ndarray
    best: np.ndarray
    by_camera: np.ndarray


def fuse(text, votes, find_label, rule):
    """The Names of O objects.

    The rule of XMask3D (arXiv 2411.13243): p ~ text^l * image^(1 - l) with one l for known and another for unknown
    words. There, l is larger for words that the 3D branch was trained on; here for words that no detector uses. The
    distribution of the image is that of the detections with the text scores as PRIOR, so that a few detections change
    little, and words that the detectors do not have keep their order among each other.

    text: [O, L] probabilities, whose rest is that of things without a label; votes: O Votes
    find_label: function of a word that returns its column or None; rule: FusionRule, None: detections do not count.
    """
    if rule is None or not any(one.sums for one in votes):
        best, nothing = text.argmax(axis=1), np.zeros_like(text)
        return Names(text, text, nothing, best, np.zeros(len(text), dtype=bool))
    full = np.column_stack([text, np.maximum(1 - text.sum(axis=1), 0)])
    weights = np.zeros_like(full)
    enough = np.zeros(len(text), dtype=bool)
    heard = set()
    for row, one in enumerate(votes):
        enough[row] = rule.admits(one)
        for word, total, _ in one.sums:
            column = find_label(word)
            if column is not None:
                weights[row, column] += total
                heard.add(column)
    total = np.array([one.total for one in votes], dtype=np.float32).reshape(-1, 1)
    image = (weights + PRIOR * full) / (weights.sum(axis=1, keepdims=True) + PRIOR)
    share = np.full(full.shape[1], rule.outside, dtype=np.float32)
    share[sorted(heard)] = rule.inside
    log = share * np.log(np.maximum(full, 1e-12)) + (1 - share) * np.log(np.maximum(image, 1e-12))
    fused = np.exp(log - log.max(axis=1, keepdims=True, initial=-np.inf))
    fused = (fused / fused.sum(axis=1, keepdims=True))[:, :-1]
    fused = np.where(enough[:, None], fused, text).astype(np.float32)
    rows, old, new = np.arange(len(text)), text.argmax(axis=1), fused.argmax(axis=1)
    changed = (new != old) & (fused[rows, new] - fused[rows, old] >= rule.min_margin)
    camera = (weights[:, :-1] / np.maximum(total, 1e-9)).astype(np.float32)
    return Names(text, fused, camera, np.where(changed, new, old), changed)
