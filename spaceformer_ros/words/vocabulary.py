"""What instances are called: labels with synonyms, background words, and how features are compared with texts."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .. import SpaceformerError
from ..geometry.vectors import unit_vectors

MAX_LABELS = 10_000
MAX_TEXT_LENGTH = 200  # characters of one label or query
# How texts are read as labels: chosen on validation rooms, for synonyms that training never used. In units of spread,
# so that it holds for text models whose cosines lie closer together.
MEANING_SHARPNESS = 3.0  # of the softmax over labels
UNLIKE, ALIKE = 1.0, 4.0  # a best label this much above the mean cosine says nothing of a text's meaning, and all


@dataclass(frozen=True)
class Likeness:
    """Mean and standard deviation (spread) of a text model's cosine between things that have different names."""

    mean: float
    spread: float

    @classmethod
    def measure(cls, vectors):
        """From unit vectors [T, C] of names of different things, T >= 2."""
        cosine = (vectors @ vectors.T)[~np.eye(len(vectors), dtype=bool)]
        return cls(float(cosine.mean()), max(1e-3, float(cosine.std())))


@dataclass(frozen=True)
class Similarity:
    """How the clip features of a checkpoint compare with unit text vectors.

    normalize: divide features by their length first; scale: factor on the products (the inverse softmax temperature).
    The released checkpoint was trained so that its features carry their own temperature: no normalising, scale 1.
    """

    normalize: bool = False
    scale: float = 1.0

    def logits(self, features, texts):
        """[K, T] float32 from features [K, C] and unit vectors [T, C]."""
        if self.normalize:
            features = unit_vectors(features)
        return self.scale * (features @ texts.T)


@dataclass(frozen=True)
class Vocabulary:
    """An ordered set of labels. `phrases[i]` are the texts that stand for label i, its name first.

    num_background: the last so many labels are background: matched, but not published.
    """

    phrases: tuple
    num_background: int = 0

    @classmethod
    def parse(cls, labels, background=()):
        """From strings with synonyms joined by "|", such as "sofa|couch". Raises SpaceformerError."""
        phrases = tuple(_parse_label(entry) for entry in (*labels, *background))
        if len(phrases) == len(background):
            raise SpaceformerError("the vocabulary is empty: give at least one label that is not background")
        if len(phrases) > MAX_LABELS:
            raise SpaceformerError(f"the vocabulary has {len(phrases)} labels; at most {MAX_LABELS} are supported")
        seen = {}
        for entry in phrases:
            for phrase in entry:
                if phrase in seen:
                    raise SpaceformerError(
                        f"{phrase!r} stands in the vocabulary twice (under {seen[phrase]!r} and {entry[0]!r})"
                    )
                seen[phrase] = entry[0]
        return cls(phrases, len(background))

    def __len__(self):
        return len(self.phrases)

    @property
    def labels(self):
        """Published labels in order, tuple of str; background labels are not among them."""
        return tuple(entry[0] for entry in self.phrases[: len(self) - self.num_background])

    @property
    def names(self):
        """Names of all labels, background last, tuple of str."""
        return tuple(entry[0] for entry in self.phrases)

    @property
    def texts(self):
        """All phrases of all labels in order, the rows of the embeddings that `LabelSpace` takes."""
        return tuple(phrase for entry in self.phrases for phrase in entry)

    def entries(self):
        """Labels and background as `parse` takes them, two lists of str."""
        joined = ["|".join(entry) for entry in self.phrases]
        split = len(joined) - self.num_background
        return joined[:split], joined[split:]


def _parse_label(entry):
    phrases = tuple(" ".join(phrase.split()) for phrase in str(entry).split("|"))
    if not all(phrases):
        raise SpaceformerError(f'label {entry!r} is empty or has an empty synonym; write "sofa|couch"')
    check_text(entry)
    return phrases


def check_text(text):
    """Raise SpaceformerError unless `text` is a usable label or query."""
    if not text.strip():
        raise SpaceformerError("the text is empty: say what to look for, such as 'fire extinguisher'")
    if len(text) > MAX_TEXT_LENGTH:
        raise SpaceformerError(f"the text has {len(text)} characters; at most {MAX_TEXT_LENGTH} are supported")
    if not text.isprintable():
        raise SpaceformerError(f"the text {text!r} holds control characters")


@dataclass(frozen=True)
class Labels:
    """Labels of K instances. index: [K] int32 into the vocabulary's names; score: [K] float32 softmax probability
    over the whole vocabulary, background included; runners_up: [K, R] int32 best first (the label itself is column
    0); runner_up_scores: [K, R] float32."""

    index: np.ndarray
    score: np.ndarray
    runners_up: np.ndarray
    runner_up_scores: np.ndarray


class LabelSpace:
    """A vocabulary with its embeddings: labels instances and ranks them for free text."""

    def __init__(self, vocabulary, embeddings, similarity, revision=0, likeness=Likeness(0.0, np.inf)):
        """embeddings: [T, C] float32 unit vectors of `vocabulary.texts`; revision: counts vocabulary changes; likeness:
        of the text model, by which a free text is read as labels (by default it is not)."""
        if len(embeddings) != len(vocabulary.texts):
            raise SpaceformerError(f"{len(embeddings)} embeddings for {len(vocabulary.texts)} texts")
        self.vocabulary, self.embeddings, self.similarity, self.revision = vocabulary, embeddings, similarity, revision
        self.likeness = likeness
        self._starts = np.cumsum([0, *(len(entry) for entry in vocabulary.phrases)])[:-1]

    def label_logits(self, features):
        """[K, L] float32: a label is as similar as its most similar phrase. features: [K, C]."""
        if features.shape[1] != self.embeddings.shape[1]:
            raise SpaceformerError(
                f"features have {features.shape[1]} channels, text embeddings {self.embeddings.shape[1]}: "
                "this text model does not belong to this checkpoint"
            )
        return np.maximum.reduceat(self.similarity.logits(features, self.embeddings), self._starts, axis=1)

    def classify(self, features, num_runners_up=5):
        """Labels of K instances. features: [K, C] float32."""
        probability = softmax(self.label_logits(features))
        order = largest(probability, min(num_runners_up, probability.shape[1]))
        scores = np.take_along_axis(probability, order, axis=1)
        return Labels(order[:, 0], scores[:, 0], order, scores)

    def match(self, features, text, vector):
        """How well a text fits each instance: [K] float32 in [0, 1], comparable within one call only.

        A text of the vocabulary scores as its label does. Any other text competes with all labels as one more, or is
        read as the labels that it may mean ("couch": sofa), sum of P(label | instance) P(label | text), whichever
        says more. features: [K, C]; vector: [C] unit vector.
        """
        logits = self.label_logits(features)
        known = self.find_label(text)
        if known is not None:
            return softmax(logits)[:, known]
        own = self.similarity.logits(features, vector[None])
        itself = softmax(np.concatenate([own, logits], axis=1))[:, 0]
        return np.maximum(itself, softmax(logits) @ self.meaning(vector))

    def meaning(self, vector):
        """P(label | text) [L] float32 for a text's unit vector; their sum is below 1 where no label is much like it."""
        cosine = np.maximum.reduceat(self.embeddings @ vector, self._starts)
        alike = (cosine.max() - self.likeness.mean) / self.likeness.spread
        trust = np.clip((alike - UNLIKE) / (ALIKE - UNLIKE), 0, 1)
        return softmax(MEANING_SHARPNESS * cosine / self.likeness.spread) * np.float32(trust)

    def find_label(self, text):
        """Index of the label that has `text` among its phrases (case does not matter), or None."""
        return self._index_of_phrase.get(" ".join(text.lower().split()))

    @cached_property
    def _index_of_phrase(self):
        """Dict phrase in lower case -> index of the first label that has it."""
        rows = [(phrase.lower(), i) for i, entry in enumerate(self.vocabulary.phrases) for phrase in entry]
        return dict(reversed(rows))


def largest(values, count):
    """Columns of the `count` largest values of each row, largest first, [K, count] int32. values: [K, L]."""
    best = np.argpartition(-values, count - 1, axis=1)[:, :count]
    best.sort(axis=1)  # so that equal values stay in the order of their columns
    order = np.argsort(-np.take_along_axis(values, best, axis=1), axis=1, kind="stable")
    return np.take_along_axis(best, order, axis=1).astype(np.int32)


def softmax(logits):
    """Softmax over the last axis, float32."""
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (weights / weights.sum(axis=-1, keepdims=True)).astype(np.float32)
