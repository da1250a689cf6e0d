# SPDX-License-Identifier: Apache-2.0
"""Things that no label of a vocabulary names: what an object may be instead.

A softmax over three labels makes a sofa, a chair or a table of everything. The names of other things stand beside the
labels in it, so that a probability means the same with few labels as with many.
"""

from collections import namedtuple

import numpy as np

from .lexicon import lexicon

CLOSE = 3.5  # standard deviations of CosineBaseline above its mean: the name may mean the label

Things = namedtuple("Things", "names embeddings")
Things.__doc__ = "Names of different things, tuple of N str, and their unit vectors, [N, C] float32."


def other_things(things, texts, embeddings, baseline):
    """The Things whose names mean none of some labels, nor something more or less general.

    There are none if there are as many labels as things.

    texts: tuple of T str, the phrases of the labels; embeddings: [T, C] their unit vectors
    baseline: CosineBaseline of the text model
    """
    if len(texts) >= len(things.names):
        return no_things(things.embeddings)
    close = (things.embeddings @ embeddings.T).max(axis=1) > baseline.mean + CLOSE * baseline.std
    senses = [lexicon().senses_of_label(name) for name in things.names]
    kinships = [lexicon().kinship(text, senses) for text in texts]
    kin = [is_kin for _, is_kin, _ in filter(None, kinships)]
    chosen = np.flatnonzero(~np.any([close, *kin], axis=0))
    return Things(tuple(things.names[i] for i in chosen), things.embeddings[chosen])


def no_things(embeddings):
    """No Things, for embeddings [T, C]."""
    return Things((), embeddings[:0])
