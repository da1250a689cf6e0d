# SPDX-License-Identifier: Apache-2.0
"""The saved state of a scene, from which it continues after a restart."""

from dataclasses import dataclass

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
class SavedScene:
    """A scene with O objects.

    objects: dict name -> [O] array, the saved fields of SceneObject
    occupancies: O Occupancies; None if it follows from the object's mask
    labels: O str, the labels at the time of saving
    vocabulary: the two lists of `Vocabulary.entries` at that time
    next_id: all ids given so far are lower
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
