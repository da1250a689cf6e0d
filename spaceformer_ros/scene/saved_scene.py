# SPDX-License-Identifier: Apache-2.0
"""The saved state of a scene, from which it continues after a restart."""

from dataclasses import dataclass, field

import numpy as np

from ..clouds.cloud import Cloud
from ..instances import Instances


@dataclass(frozen=True)
class ModelIdentity:
    """Identity of the network that computed the features, and of the text model they are compared with.

    name: of the checkpoint
    sha256: of its header and weights
    text_model: name@revision
    """

    name: str
    sha256: str
    text_model: str

    def __str__(self):
        return f"checkpoint {self.name} ({self.sha256[:12]}) and text model {self.text_model}"


@dataclass(frozen=True)
class Edit:
    """An edit by an operator: when, in ns since 1970, by whom, and what was done in words."""

    stamp_ns: int
    author: str
    text: str

    @property
    def time(self):
        """UTC, to the second, as ISO 8601 writes it."""
        return f"{np.datetime64(self.stamp_ns // 1_000_000_000, 's')}Z"


@dataclass(frozen=True)
class SavedScene:
    """A scene with O objects.

    objects: dict name -> [O] array, the saved fields of SceneObject
    occupancies: O Occupancies; None if it follows from the object's mask
    labels: O str, the labels at the time of saving
    vocabulary: the two lists of `Vocabulary.entries` at that time
    next_id: all ids given so far are lower
    operator_labels: O str, "" for labels of the network
    votes: O tuples of (word, sum of weights, detections), see `cameras.evidence.Votes`
    thumbnails: O Thumbnail or None
    room_names: tuple of (room id, name that an operator gave)
    history: tuple of Edit, oldest first
    undo: tuple of Undo, how the last of them are taken back, oldest first
    layout: dict of the layout and the ids that are left, {} without one
    input_scale: the setting of that time; input_up is that of the cloud
    """

    cloud: Cloud
    instances: Instances
    objects: dict
    occupancies: tuple
    labels: tuple
    vocabulary: tuple
    model: ModelIdentity
    map_id: str
    map_revision: int
    next_id: int
    operator_labels: tuple
    votes: tuple
    thumbnails: tuple
    room_names: tuple = ()
    history: tuple = ()
    undo: tuple = ()
    layout: dict = field(default_factory=dict)
    input_scale: float = 1.0
