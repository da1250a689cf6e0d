# SPDX-License-Identifier: Apache-2.0
"""Similarity of features and texts: logits from cosines, cosine statistics of a text model, softmax."""

from dataclasses import dataclass

import numpy as np
import scipy.special

from ..geometry.vectors import unit_vectors


@dataclass(frozen=True)
class Similarity:
    """Similarity of the CLIP features of a checkpoint and unit text vectors.

    normalize: divide features by their length first; scale: factor on the products (the inverse softmax temperature).
    The released code compares features as they are, with scale 1. Its training normalised them, so their length, and
    with it the sharpness of a softmax over labels, was not trained; `Checkpoint.similarity_for` offers the cosine.
    """

    normalize: bool = False
    scale: float = 1.0

    def logits(self, features, texts):
        """[K, T] float32 from features [K, C] and unit vectors [T, C]."""
        if self.normalize:
            features = unit_vectors(features)
        return self.scale * (features @ texts.T)


@dataclass(frozen=True)
class CosineBaseline:
    """Mean and standard deviation of a text model's cosine between names of different things.

    Text models differ in how close together their vectors are, so cosines are evaluated relative to this.
    """

    mean: float
    std: float

    @classmethod
    def measure(cls, vectors):
        """From unit vectors [T, C] of names of different things, T >= 2."""
        cosine = (vectors @ vectors.T)[~np.eye(len(vectors), dtype=bool)]
        return cls(float(cosine.mean()), max(1e-3, float(cosine.std())))


def softmax(logits):
    """Softmax over the last axis, float32."""
    return scipy.special.softmax(logits, axis=-1).astype(np.float32)
