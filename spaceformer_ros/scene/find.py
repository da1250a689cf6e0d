# SPDX-License-Identifier: Apache-2.0
"""Find objects by text: rank the objects of a scene by text match, location and neighbouring objects."""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from .. import SpaceformerError
from ..words.color_words import split_color
from ..words.question_words import ANYTHING
from ..words.vocabulary import check_words
from .objects import with_votes

MAX_TEXTS = 32  # of one request


@dataclass(frozen=True)
class ObjectQuery:
    """A query for objects of a scene. Positions and distances in metres, in the scene's frame.

    text: what to look for
    max_results: at least 1
    min_score: matches below it are left out
    min_confidence: likewise; no limit where the checkpoint has no calibration
    position: [3] of the robot, or None
    sort_by_distance: nearest first instead of best first; needs position
    region: ([3] centre, radius) or None
    near_text, near_distance: only objects within that distance of one that matches the other text

    Raises SpaceformerError for texts that cannot be used.
    """

    text: str
    max_results: int = 5
    min_score: float = 0.1
    min_confidence: float = 0.0
    position: np.ndarray | None = None
    sort_by_distance: bool = False
    region: tuple | None = None
    near_text: str = ""
    near_distance: float = 1.0

    def __post_init__(self):
        for text in self.texts:
            check_words(text)

    @property
    def texts(self):
        """Tuple of the texts whose vectors an answer needs: as given, and without colour words."""
        asked = (self.text, self.near_text) if self.near_text else (self.text,)
        return (*asked, *(noun for colors, noun in map(split_color, asked) if colors and noun))


@dataclass(frozen=True)
class Match:
    """An object that matches a query.

    object: SceneObject
    score: objectness x mask score x match of the text, in [0, 1], comparable within one answer only
    distance: metres from the robot to the centre of the box, NaN if unknown
    confidence: probability in [0, 1] that it is what was asked for, NaN if the checkpoint has no calibration
    """

    object: object
    score: float
    distance: float = float("nan")
    confidence: float = float("nan")


@dataclass(frozen=True)
class Answer:
    """Matches for a text in order; if there are none, the reason with the best candidates."""

    text: str
    matches: list = field(default_factory=list)
    reason: str = ""


def queries_for(texts, **conditions):
    """One ObjectQuery for each distinct text, all with the same conditions. Raises SpaceformerError."""
    texts = tuple(dict.fromkeys(texts))
    if not 1 <= len(texts) <= MAX_TEXTS:
        raise SpaceformerError(f"{len(texts)} texts given, expected 1 to {MAX_TEXTS}: ask several times")
    return [ObjectQuery(text, **conditions) for text in texts]


def find_objects(scene, query, vectors):
    """Answer an ObjectQuery on a Scene. vectors: dict text -> [C] unit vector, for its texts."""
    matches, reason = filtered(scene, query, vectors)
    return Answer(query.text, matches[: query.max_results], reason)


def filtered(scene, query, vectors):
    """(all Matches of an ObjectQuery in order, the reason if there are none). vectors: as in `find_objects`."""
    query = _in_local_coordinates(query, scene.cloud.placement.inverse)
    candidates = rank(scene, query.text, vectors)
    matches, reason = [match for match in candidates if is_confident(match, query)], ""
    if candidates and not matches:
        reason = _not_in_map(query, candidates[0])
    for keep, words in _filters(scene, query, vectors):
        left = [match for match in matches if keep(match)]
        if matches and not left:
            reason = explain(query.text, matches, words)
        matches = left
    matches = [_with_distance(match, query.position) for match in matches]
    if query.sort_by_distance and query.position is not None:
        matches.sort(key=lambda match: match.distance)
    if not candidates:
        reason = "the scene has no objects"
    return matches, reason


def is_confident(match, query):
    """Whether a Match reaches the confidence that an ObjectQuery asks for, or the checkpoint has no calibration."""
    return not match.confidence < query.min_confidence  # NaN is not below


def _not_in_map(query, best):
    """Sentence that nothing matches a query. best: the Match that comes closest."""
    rounded_down = math.floor(best.confidence * 100) / 100  # 0.349 is less than 0.35
    return (
        f"nothing in this map matches {query.text!r}: the best candidate, {in_words(best.object)}, has confidence "
        f"{rounded_down:.2f}, less than {query.min_confidence:.2f}"
    )


def _in_local_coordinates(query, transform):
    """The query with its positions moved by the RigidTransform of the scene's frame into local coordinates."""
    position = None if query.position is None else transform.apply(query.position)
    region = query.region and (transform.apply(query.region[0]), query.region[1])
    return replace(query, position=position, region=region)


def summary(answers):
    """Answers in one sentence: the number of matches and the best one of each text, or why there is none."""
    found = sum(len(answer.matches) for answer in answers)
    if not found:
        return "; ".join(dict.fromkeys(answer.reason for answer in answers))
    outside = len({match.object.id for answer in answers for match in answer.matches if not match.object.in_map})
    parts = [f"{found} found", *([f"{outside} not in the current map"] if outside else [])]
    for answer in answers:
        words = f"first for {answer.text!r}" if len(answers) > 1 else "first"
        best = [f"{words}: {in_words(match.object)}" for match in answer.matches[:1]]
        parts += best or [answer.reason]
    return "; ".join(parts)


def in_words(item):
    """Label and id of an object, with a note if it is not in the current map."""
    return f"{item.label} {item.id}{'' if item.in_map else ' (not in the current map)'}"


def rank(scene, text, vectors):
    """Matches of all objects, best first; of background objects only those whose label is the text.

    Colours in the text ("the blue chair") are compared with the points: the score is the match of the other words times
    the share of the object's points with these colours. Labels of the vocabulary that contain a colour are not split.
    """
    colors, noun = ((), text) if scene.space.find_label(text) is not None else split_color(text)
    known = scene.space.find_label(noun)
    objects = [item for item in scene.objects if not item.background or item.label_index == known]
    if not objects:
        return []
    rows = [item.row for item in objects]
    score, confidence = _noun_scores(scene, objects, noun, vectors)
    if colors:
        score = score * scene.color_shares[rows][:, colors].sum(axis=1)
        if noun:  # what is not a chair is not a blue chair
            confidence = np.minimum(confidence, scene.space.color_confidence(score))
    order = np.argsort(-score, kind="stable")
    return [Match(objects[i], float(score[i]), confidence=float(confidence[i])) for i in order]


def _noun_scores(scene, objects, noun, vectors):
    """Score and confidence [K] of objects for a text without colours, which may be empty."""
    score = np.array([item.objectness * item.mask_score for item in objects])
    if noun.lower() in ANYTHING and scene.space.find_label(noun) is None:
        return score, np.array([scene.confidence(item) for item in objects])
    if not noun:
        return score, np.full(len(objects), np.nan)
    given = np.array([item.operator_label.lower() == noun.lower() for item in objects])
    score = score * np.where(given, 1.0, _match(scene, objects, noun, vectors[noun]))
    return score, np.where(given, 1.0, scene.space.match_confidence(noun, score))


def _match(scene, objects, noun, vector):
    """[O] in [0, 1]: how well a text fits objects, by their features and by what detectors called them."""
    features, space = scene.instances.features[[item.row for item in objects]], scene.space
    rule = space.rule
    if rule is None or not any(item.votes.sums for item in objects):
        return space.match(features, noun, vector)
    match = space.match(features, noun, vector, lambda text: with_votes(text, objects, space).fused)
    if space.find_label(noun) is None:  # a word that only detectors use
        heard = [item.votes.share(noun) if rule.admits(item.votes) else 0.0 for item in objects]
        match = np.maximum(match, (1 - rule.inside) * np.array(heard))
    return match


def _filters(scene, query, vectors):
    """Rows (predicate on matches, words for "none ...")."""
    rows = [(lambda match: match.score >= query.min_score, f"scores {query.min_score:.2f} or more")]
    if query.region:
        centre, radius = query.region
        rows.append(
            (
                lambda match: np.linalg.norm(match.object.box.center - centre) <= radius,
                f"is within {radius:g} m of the given position",
            )
        )
    if query.near_text:
        anchors = [
            match.object
            for match in rank(scene, query.near_text, vectors)
            if match.score >= query.min_score and is_confident(match, query)
        ]
        words = f"is within {query.near_distance:g} m of a {query.near_text} ({len(anchors)} found)"
        rows.append((lambda match: _is_near(match.object, anchors, query.near_distance), words))
    return rows


def _is_near(item, anchors, distance):
    return any(
        other.id != item.id and np.linalg.norm(other.box.center - item.box.center) <= distance for other in anchors
    )


def _with_distance(match, position):
    if position is None:
        return match
    return replace(match, distance=float(np.linalg.norm(match.object.box.center - position)))


def explain(text, matches, words):
    """Sentence that no object that matches a text fulfils a condition, `words`. matches: without it, best first."""
    if text.lower() in ANYTHING:
        return f"nothing {words}"
    best = ", ".join(f"{in_words(match.object)} (score {match.score:.2f})" for match in matches[:3])
    return f"no object that matches {text!r} {words}; best candidates: {best}"
