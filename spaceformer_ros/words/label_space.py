# SPDX-License-Identifier: Apache-2.0
"""Assign labels to features, and score features for free text, with a vocabulary and its embeddings."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .. import SpaceformerError
from .lexicon import lexicon
from .neighbours import SHARE, neighbours
from .other_things import no_things
from .similarity import CosineBaseline, softmax
from .uses import labels_for_use

# How a free text is interpreted as labels. Chosen on validation rooms, for synonyms that training never used. In
# standard deviations of CosineBaseline, so that the values hold for text models whose cosines are closer together.
SHARPNESS = 3.0  # of the softmax over labels
# Of a noun that the lexicon knows; chosen by the log-likelihood of the kinds of the training synonyms.
SHARPNESS_OF_NOUNS = 1.5
SIMILAR = 6.0  # of the similarity in the lexicon, on the scale of the softmax
KIN = 2.0  # added for labels that mean the same, something more general or less general
UNRELATED = 1.0  # if the best label is less than this above the mean cosine, the text is not a synonym of any label
SYNONYM = 4.0  # above this, the text counts fully as a synonym
NO_BASELINE = CosineBaseline(0.0, np.inf)  # free texts are not interpreted as labels


@dataclass(frozen=True)
class Labels:
    """Labels of K instances.

    index: [K] int32 into the vocabulary's names
    score: [K] float32, softmax probability over the whole vocabulary, background and other things included
    runners_up: [K, R] int32, best first; column 0 is the label itself
    runner_up_scores: [K, R] float32
    """

    index: np.ndarray
    score: np.ndarray
    runners_up: np.ndarray
    runner_up_scores: np.ndarray


class LabelSpace:
    """A vocabulary with its embeddings: classifies instances and scores them for free text."""

    def __init__(
        self,
        vocabulary,
        embeddings,
        similarity,
        revision=0,
        baseline=NO_BASELINE,
        calibration=None,
        rule=None,
        others=None,
    ):
        """A vocabulary for one checkpoint and text model.

        embeddings: [T, C] float32 unit vectors of `vocabulary.texts`
        similarity: Similarity of the checkpoint
        revision: counts vocabulary changes
        baseline: CosineBaseline of the text model; by default free texts are not interpreted as labels
        calibration: Calibration of the checkpoint, None if it has none
        rule: how names from cameras count, a FusionRule; None: they do not count
        others: Things that no label names (see `other_things`), which an instance may be instead; None: none
        Raises SpaceformerError if the number of embeddings is wrong.
        """
        if len(embeddings) != len(vocabulary.texts):
            raise SpaceformerError(f"{len(embeddings)} embeddings for {len(vocabulary.texts)} texts")
        others = others or no_things(embeddings)
        self.vocabulary = vocabulary
        self.embeddings = np.concatenate([embeddings, others.embeddings])
        self.similarity = similarity
        self.revision = revision
        self.baseline = baseline
        self.calibration = calibration
        self.rule = rule
        self._texts = (*vocabulary.texts, *others.names)
        self._starts = np.cumsum([0, *map(len, vocabulary.phrases), *(1 for _ in others.names)])[:-1]

    def logits(self, features):
        """[K, L + O] float32 of labels and other things: as similar as their most similar phrase. features: [K, C]."""
        if features.shape[1] != self.embeddings.shape[1]:
            raise SpaceformerError(
                f"features have {features.shape[1]} channels, text embeddings {self.embeddings.shape[1]}: "
                "this text model does not belong to this checkpoint"
            )
        return np.maximum.reduceat(self.similarity.logits(features, self.embeddings), self._starts, axis=1)

    def probabilities(self, features):
        """[K, L] float32 probability of each label, by the text scores; the rest is that of other things.

        features: [K, C] float32
        """
        return softmax(self.logits(features))[:, : len(self.vocabulary)]

    def match(self, features, text, vector, refine=None):
        """How well a text fits each instance: [K] float32 in [0, 1], comparable within one call only.

        A text of the vocabulary gets the score of its label, a question for a use ("something to sit on") the sum of
        those of the labels that serve it, and a SHARE of those of their `neighbours`. For any other text two scores
        are computed and the larger is used: its probability as an additional label of the vocabulary, and the
        probability of the labels and other things that it may mean ("couch": sofa), sum over these of
        P(label | instance) P(label | text).

        features: [K, C]
        vector: [C] unit vector of the text
        refine: function of the probabilities [K, L] by the text scores that returns better ones; None: these
        """
        logits, labels = self.logits(features), slice(len(self.vocabulary))
        probabilities = softmax(logits)
        if refine is not None:
            probabilities[:, labels] = refine(probabilities[:, labels])
        known = self.find_labels(text)
        if known:
            beside = self._neighbours_of(known)
            return probabilities[:, known].sum(axis=1) + np.float32(SHARE) * probabilities[:, beside].sum(axis=1)
        own = self.similarity.logits(features, vector[None])
        itself = softmax(np.concatenate([own, logits], axis=1))[:, 0]
        return np.maximum(itself, probabilities @ self.meaning(text, vector))

    def meaning(self, text, vector):
        """How much of each label and other thing a text means, [L + O] float32; vector: [C] unit vector of the text.

        P(label | text) in [0, 1], whose sum is below 1 if no label is close to the text. A noun for several labels
        ("lamp") means the likeliest of them fully and the others by the root of their probability relative to it.
        """
        cosine = np.maximum.reduceat(self.embeddings @ vector, self._starts)
        deviation = (cosine.max() - self.baseline.mean) / self.baseline.std
        trust = np.float32(np.clip((deviation - UNRELATED) / (SYNONYM - UNRELATED), 0, 1))
        kinship = None if self.baseline is NO_BASELINE else lexicon().kinship(text, self._senses)
        if kinship is None:
            return trust * softmax(SHARPNESS * cosine / self.baseline.std)
        similarity, kin, covered = (np.maximum.reduceat(column, self._starts) for column in kinship)
        meaning = softmax(SHARPNESS_OF_NOUNS * cosine / self.baseline.std + SIMILAR * similarity + KIN * kin)
        if covered.any():
            meaning[covered] = np.sqrt(meaning[covered] / meaning[covered].max())
        return meaning if kin.any() else trust * meaning

    def object_confidence(self, score):
        """Calibrated probability that an object with this score is one and has its label; NaN without calibration."""
        return float("nan") if self.calibration is None else float(self.calibration.objects(score))

    def match_confidence(self, text, scores):
        """[K] float64: calibrated probability that matches with these scores are what the text asks for; else NaN."""
        if self.calibration is None:
            return np.full(len(scores), np.nan)
        curve = self.calibration.labels if self.find_labels(text) else self.calibration.texts
        return curve(scores)

    def color_confidence(self, scores):
        """[K] float64: calibrated probability of matches with these scores for a text with a colour; else NaN."""
        return np.full(len(scores), np.nan) if self.calibration is None else self.calibration.colors(scores)

    def find_label(self, text):
        """Index of the label that has `text` among its phrases (case does not matter), or None."""
        return self._index_of_phrase.get(" ".join(text.lower().split()))

    def find_labels(self, text):
        """Indices of the labels that a text names: one of its own, or those that serve a use; else an empty list."""
        own = self.find_label(text)
        named = [self.find_label(label) for label in labels_for_use(text)] if own is None else [own]
        return sorted({index for index in named if index is not None})

    def _neighbours_of(self, known):
        """Indices of the labels that are `neighbours` of the labels with the indices `known`, without these."""
        phrases = [phrase.lower() for index in known for phrase in self.vocabulary.phrases[index]]
        indices = {self.find_label(label) for phrase in phrases for label in neighbours(phrase)}
        return sorted(indices - {None, *known})

    @cached_property
    def _senses(self):
        """For each phrase the list of its Senses in the lexicon."""
        return [lexicon().senses_of_label(phrase) for phrase in self._texts]

    @cached_property
    def _index_of_phrase(self):
        """Dict phrase in lower case -> index of the first label that has it."""
        rows = [(phrase.lower(), i) for i, entry in enumerate(self.vocabulary.phrases) for phrase in entry]
        return dict(reversed(rows))


def ranked(probabilities, num_runners_up=5):
    """The Labels of K instances with probabilities [K, L]."""
    order = largest(probabilities, min(num_runners_up, probabilities.shape[1]))
    scores = np.take_along_axis(probabilities, order, axis=1)
    return Labels(order[:, 0], scores[:, 0], order, scores)


def largest(values, count):
    """Columns of the `count` largest values of each row, largest first, [K, count] int32. values: [K, L]."""
    best = np.argpartition(-values, count - 1, axis=1)[:, :count]
    best.sort(axis=1)  # so that equal values stay in the order of their columns
    order = np.argsort(-np.take_along_axis(values, best, axis=1), axis=1, kind="stable")
    return np.take_along_axis(best, order, axis=1).astype(np.int32)
