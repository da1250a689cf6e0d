# SPDX-License-Identifier: Apache-2.0
"""Labels for things that often cannot be told apart: a question for one of them also finds the other, less surely."""

PAIRS = (("wardrobe", "locker"), ("window", "blinds"))
SHARE = 0.25  # of the neighbour's probability; chosen on validation rooms, see docs/demo_weights.md


def neighbours(label):
    """The labels of which a question for `label` gets a SHARE of the probability, a tuple of str."""
    return tuple(pair[1 - pair.index(label)] for pair in PAIRS if label in pair)
