# SPDX-License-Identifier: Apache-2.0
"""Answers to questions: the matches of a text, restricted by rooms and relations of the scene graph, in an order."""

import re
from dataclasses import dataclass, field, replace

import numpy as np

from .. import SpaceformerError
from ..scene.find import MAX_TEXTS, Answer, ObjectQuery, explain, filtered
from ..words import question_words as words
from ..words.question import Question, names_no_thing, read_question
from .nodes import DOOR, OBJECT, WINDOW, node_id
from .relations import ATTACHED_TO, IN, NEXT_TO, ON, UNDER
from .room_questions import about_rooms, names_of_rooms, rooms_called

PLAUSIBLE = 0.5  # of the best score: matches below are not candidates for "largest" or "second", nor anchors
NEAR_DISTANCE = 1.0  # metres between the boxes of things that are near each other
OVER_SLACK = 0.05  # metres by which something above a thing may reach below its top
BEHIND = 0.25  # metres around the ground of a thing in which something on a wall is above it
BUILDING_PARTS = {"wall": ATTACHED_TO, "ceiling": ATTACHED_TO, "floor": "floor"}  # anchors that are not objects
# Parts of the layout that may be objects, too: "front door", "door to the kitchen"
OPENINGS = {kind: re.compile(rf"(.+ )?{kind}( (to|of|into|from|towards) .+)?") for kind in (DOOR, WINDOW)}
DEFAULT_NEAR_DISTANCE = 1.0  # metres between centres, of requests that leave near_distance at 0
RELATION_WORDS = (
    words.ON,
    words.IN,
    words.UNDER,
    words.NEXT_TO,
    words.NEAR,
    words.NEAREST,
    words.FARTHEST,
    words.ABOVE,
)


@dataclass(frozen=True)
class Asked:
    """A text with conditions that are not in it.

    query: ObjectQuery with the text and its conditions
    room: name or number of a room, "" for any
    relation, relation_text: one of RELATION_WORDS and the other thing, "" for none
    """

    query: ObjectQuery
    room: str = ""
    relation: str = ""
    relation_text: str = ""

    def __post_init__(self):
        if bool(self.relation) != bool(self.relation_text):
            raise SpaceformerError("relation and relation_query belong together: give both or neither")
        if self.relation and self.relation not in RELATION_WORDS:
            raise SpaceformerError(f"relation is {self.relation!r}, expected one of {', '.join(RELATION_WORDS)}")

    def question(self, scene, rooms):
        """Its Question. scene: Scene, whose labels it may have; rooms: names of rooms in lower case."""
        given = {item.operator_label.lower() for item in scene.objects}

        def is_known(text):
            return bool(scene.space.find_labels(text)) or text.lower() in given

        if names_no_thing(self.query.text) and not is_known(self.query.text):
            raise SpaceformerError(
                f"the text {self.query.text!r} names no thing: say what to look for, such as 'fire extinguisher'"
            )
        question = read_question(self.query.text, is_known, rooms)
        if self.relation:
            anchor = read_question(self.relation_text, is_known, rooms)
            question = replace(question, relation=self.relation, anchor=anchor)
        return replace(question, room=self.room.lower()) if self.room else question


@dataclass(frozen=True)
class RelatedAnswer(Answer):
    """An Answer with the Question that was understood and the SceneGraph that it was answered with."""

    question: Question = field(default_factory=lambda: Question(""))
    graph: object = None
    found: int = 0  # matches before the limit of max_results

    @property
    def remarks(self):
        """Sentences about what was understood and what was not."""
        understood = str(self.question)
        same = self.question.is_plain or understood == " ".join(self.text.lower().split())
        made = [] if same else [f"understood {self.text!r} as {understood!r}"]
        made += self._of_the_layout()
        left_out = self.found > len(self.matches)
        made += [f"{self.found} found, the first {len(self.matches)} given: see max_results"] if left_out else []
        return [*made, *(f"not understood: {part}" for part in self.question.unread)]

    def _of_the_layout(self):
        """A sentence in a list where doors or windows are asked for, but no match is one; otherwise []."""
        kind = next((kind for kind in OPENINGS if OPENINGS[kind].fullmatch(self.question.noun)), None)
        number = len(self.graph.of_kind(kind)) if kind else 0
        if not number or any(OPENINGS[kind].fullmatch(match.object.label) for match in self.matches):
            return []
        some = f"1 {kind}" if number == 1 else f"{number} {kind}s"
        return [f"the layout has {some}, see get_scene_graph"]

    def room(self, match):
        """The Node of the room of a match, or None."""
        return self.graph.room_of(self.graph.by_id.get(node_id(OBJECT, match.object.id)))

    def phrases(self, match):
        """List of the relations of a match in words."""
        node = self.graph.by_id.get(node_id(OBJECT, match.object.id))
        return self.graph.phrases(node) if node else []


def asked_for(texts, room="", relation="", relation_text="", **conditions):
    """One Asked for each distinct text, all with the same conditions; blanks of all kinds count as one. Raises
    SpaceformerError."""
    texts = tuple(dict.fromkeys(" ".join(text.split()) for text in texts))
    if not 1 <= len(texts) <= MAX_TEXTS:
        raise SpaceformerError(f"{len(texts)} texts given, expected 1 to {MAX_TEXTS}: ask several times")
    return [Asked(ObjectQuery(text, **conditions), room, relation, relation_text) for text in texts]


def asked_as(texts, request, config, **conditions):
    """As `asked_for`, for a request with fields of srv/FindObjects.srv, whose zeros stand for the settings.

    config: SceneConfig; conditions: further ones
    """
    return asked_for(
        texts,
        room=" ".join(request.in_room.split()),
        relation=request.relation.strip().lower(),
        relation_text=request.relation_query.strip(),
        max_results=request.max_results or config.max_results,
        near_text=request.near_query,
        near_distance=request.near_distance or DEFAULT_NEAR_DISTANCE,
        **conditions,
    )


def texts_of(asked, question):
    """Tuple of the texts whose vectors an answer needs."""
    queries = [replace(asked.query, text=noun) for noun in question.nouns]
    return tuple(dict.fromkeys(text for query in queries for text in query.texts))


def answer(scene, graph, asked, question, vectors):
    """The RelatedAnswer to an Asked with its Question. vectors: dict text -> [C] unit vector, for `texts_of`."""
    query = replace(asked.query, text=question.noun)
    if question.is_room:
        return RelatedAnswer(asked.query.text, [], about_rooms(graph, question, query.max_results), question, graph)
    matches, reason = filtered(scene, query, vectors)
    search = _Search(scene, graph, query, vectors)
    for step in search.steps:
        matches, reason = step(question, matches, reason)
    return RelatedAnswer(asked.query.text, matches[: query.max_results], reason, question, graph, len(matches))


@dataclass(frozen=True)
class _Search:
    """The steps of an answer. Each takes the matches so far and the reason why there are none."""

    scene: object
    graph: object
    query: ObjectQuery
    vectors: dict

    @property
    def steps(self):
        """The steps in their order."""
        return self.numbered, self.in_room, self.related, self.ordered

    def numbered(self, question, matches, reason):
        """Only the match with the question's id."""
        if not question.number or not matches:
            return matches, reason
        kept = [match for match in matches if match.object.id == question.number]
        return kept, reason if kept else explain(question.noun, matches, f"has the id {question.number}")

    def in_room(self, question, matches, reason):
        """Only matches in rooms with the question's name or number."""
        if not question.room or not matches:
            return matches, reason
        rooms = {room.id for room in rooms_called(self.graph, question.room)}
        kept = [match for match in matches if self._room_of(match.object) in rooms]
        unknown = f"is in a room called {question.room!r} (rooms: {names_of_rooms(self.graph)})"
        where = f"is in {question.room}" if rooms else unknown
        return kept, reason if kept else explain(question.noun, matches, where)

    def _room_of(self, item):
        room = self.graph.room_of(self.graph.by_id.get(node_id(OBJECT, item.id)))
        return room.id if room else None

    def related(self, question, matches, reason):
        """Only matches with the question's relation to one of its anchors; NEAREST, FARTHEST: by their distance."""
        if not question.relation or not matches:
            return matches, reason
        part = BUILDING_PARTS.get(question.anchor.noun)
        if part and question.relation == words.ON:
            kept = [match for match in matches if self._is_on_building(match.object, part)]
            return kept, reason if kept else explain(question.noun, matches, f"is on the {question.anchor.noun}")
        anchors = [match.object for match in self._anchors(question.anchor)]
        if question.relation in (words.NEAREST, words.FARTHEST):
            return self._by_distance(question, _plausible(matches), anchors, reason)
        kept = [match for match in matches if self._holds(question.relation, match.object, anchors)]
        article = "an" if str(question.anchor)[0] in "aeiou" else "a"
        phrase = f"is {question.relation} {article} {question.anchor} ({len(anchors)} found)"
        return kept, reason if kept else explain(question.noun, matches, phrase)

    def _by_distance(self, question, matches, anchors, reason):
        """The nearest of the matches to any other anchor or the farthest one, or as many as the question asks for."""
        others = {match.object.id: [other for other in anchors if other.id != match.object.id] for match in matches}
        distance = {match.object.id: _distance(match.object, others[match.object.id]) for match in matches}
        sign = -1 if question.relation == words.FARTHEST else 1
        kept = [match for match in matches if np.isfinite(distance[match.object.id])]
        kept.sort(key=lambda match: sign * distance[match.object.id])
        if not kept:
            missing = f"no {'other ' if anchors else ''}{question.anchor} was found"
            reason = explain(question.noun, matches, f"can be compared: {missing}")
        return kept if question.order else kept[: question.count or 1], reason

    def _anchors(self, question):
        """Matches of the thing that the question's noun is related to."""
        query = replace(self.query, text=question.noun, region=None, near_text="", max_results=10_000)
        matches = _plausible(filtered(self.scene, query, self.vectors)[0])
        for step in self.steps:
            matches, _ = step(question, matches, "")
        return matches

    def _is_on_building(self, item, part):
        kinds = {edge.kind for edge in self.graph.edges_from(node_id(OBJECT, item.id))}
        return ATTACHED_TO in kinds if part == ATTACHED_TO else not kinds & {ON, IN, ATTACHED_TO}

    def _holds(self, relation, item, anchors):
        """Whether an object has a relation to one of the anchors."""
        others = [anchor for anchor in anchors if anchor.id != item.id]
        if relation == words.NEAR:
            return _distance(item, others) <= NEAR_DISTANCE
        if relation == words.ABOVE:
            return any(
                self._edge(other, (UNDER,), item) or self._edge(item, (ON,), other) or self._is_over(item, other)
                for other in others
            )
        kinds = {words.ON: (ON, IN), words.IN: (IN,), words.UNDER: (UNDER,), words.NEXT_TO: (NEXT_TO,)}[relation]
        return any(self._edge(item, kinds, other) for other in others)

    def _is_over(self, item, other):
        """Whether an object is higher than a larger one in its storey and over it, or at the wall behind it."""
        import shapely

        one, two = (self.graph.by_id.get(node_id(OBJECT, thing.id)) for thing in (item, other))
        if not one or not two or self.graph.storey_of(one) is not self.graph.storey_of(two):
            return False
        if item.box.corners[0, 2] < other.box.corners[4, 2] - OVER_SLACK:
            return False
        ground, below = (shapely.Polygon(thing.box.corners[:4, :2]) for thing in (item, other))
        return ground.intersection(below.buffer(BEHIND)).area > ground.area / 2

    def _edge(self, item, kinds, other):
        target = node_id(OBJECT, other.id)
        edges = self.graph.edges_from(node_id(OBJECT, item.id))
        return any(edge.kind in kinds and edge.target == target for edge in edges)

    def ordered(self, question, matches, reason):
        """The largest, the second, the first three: of matches that are plausible."""
        if not matches or not (question.size or question.order or question.count):
            return matches, reason
        matches = _plausible(matches)
        size = question.size
        if size in (words.CLOSE, words.FAR) and self.query.position is None:
            return [], f"{size} {question.noun}: the position of the robot is not known, give reference_frame"
        if size:
            sign = -1 if size in (words.LARGEST, words.TALLEST, words.LONGEST, words.FAR) else 1
            matches = sorted(matches, key=lambda match: sign * self._size(size, match))
        elif question.order:
            known = self.query.position is not None
            matches = sorted(matches, key=lambda match: match.distance if known else match.object.id)
        if question.order:
            place = question.order - 1 if question.order > 0 else len(matches) - 1
            text = f"there are {len(matches)} of {question.noun!r}, fewer than {question.order}"
            return matches[place : place + 1], reason if place < len(matches) else text
        return matches[: question.count or (1 if size else None)], reason

    def _size(self, size, match):
        if size in (words.CLOSE, words.FAR):
            return match.distance
        x, y, z = match.object.box.size
        top = match.object.box.center[2] + z / 2
        return {words.LONGEST: max(x, y), words.TALLEST: z, words.LOWEST: top}.get(size, x * y * z)


def _plausible(matches):
    """The Matches with at least a share of the best score."""
    best = max((match.score for match in matches), default=0.0)
    return [match for match in matches if match.score >= PLAUSIBLE * best]


def _distance(item, others):
    """Metres between the ground rectangles and heights of an object and the nearest of others, inf without others."""
    import shapely

    if not others:
        return np.inf
    ground = shapely.Polygon(item.box.corners[:4, :2])
    low, high = item.box.corners[[0, 4], 2]
    distances = []
    for other in others:
        plan = ground.distance(shapely.Polygon(other.box.corners[:4, :2]))
        other_low, other_high = other.box.corners[[0, 4], 2]
        distances.append(np.hypot(plan, max(other_low - high, low - other_high, 0.0)))
    return float(min(distances))
