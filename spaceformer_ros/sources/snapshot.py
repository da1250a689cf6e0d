# SPDX-License-Identifier: Apache-2.0
"""What can be seen of a map at one moment, and the answers to questions about it. Without network and ROS."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..clouds.cloud import Cloud
from ..geometry.boxes import OrientedBox
from ..scene.approach import Approach


@dataclass(frozen=True)
class MapObject:
    """One published object. Positions in the local coordinates of the snapshot's cloud, metres; scores in [0, 1].

    candidates: tuple of (label, score), best first, the label itself first
    confidence: probability in [0, 1] that it is an object with this label, NaN if the checkpoint has no calibration
    first_seen_ns, last_seen_ns: stamps of the clouds in which it was found, nanoseconds
    """

    id: int
    label: str
    score: float
    candidates: tuple
    box: OrientedBox
    num_points: int
    num_observations: int
    first_seen_ns: int
    last_seen_ns: int
    confidence: float = float("nan")


@dataclass(frozen=True)
class Snapshot:
    """A map with its objects.

    cloud: Cloud of N points
    owner: [N] int64 id of the object that each point belongs to, 0 for none
    objects: tuple of MapObject, best first
    labels: tuple of the vocabulary's entries, such as "sofa|couch"
    map_revision, vocabulary_revision: as in `~/instances`
    partial: tiles of the map are still being segmented
    """

    cloud: Cloud
    owner: np.ndarray
    objects: tuple
    labels: tuple
    map_id: str
    map_revision: int
    vocabulary_revision: int
    partial: bool = False

    @property
    def revision(self):
        """A key that changes with everything that is shown."""
        return self.map_id, self.map_revision, self.vocabulary_revision, self.partial, self.labels

    @cached_property
    def by_id(self):
        """Dict id -> MapObject."""
        return {item.id: item for item in self.objects}

    def in_frame(self, item):
        """The OrientedBox of a MapObject in the map's frame."""
        return item.box.moved(self.cloud.placement)


@dataclass(frozen=True)
class Question:
    """A question for objects, with the fields and defaults of srv/FindObjects.srv."""

    query: str
    max_results: int = 0
    near_query: str = ""
    near_distance: float = 0.0
    in_room: str = ""
    relation: str = ""
    relation_query: str = ""


@dataclass(frozen=True)
class Finding:
    """An object that matches a question.

    score: in [0, 1], comparable within one answer
    distance: metres from the robot to the centre of the box, NaN where no robot is known
    approach: Approach in the snapshot's local coordinates, or None
    confidence: probability in [0, 1] that it is what was asked for, NaN if the checkpoint has no calibration
    """

    object: MapObject
    score: float
    distance: float = float("nan")
    approach: Approach | None = None
    confidence: float = float("nan")


@dataclass(frozen=True)
class Findings:
    """The answer to a Question: Finding objects, best first, and one sentence for a person."""

    question: Question
    found: tuple
    message: str
