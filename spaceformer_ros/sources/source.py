# SPDX-License-Identifier: Apache-2.0
"""The interface of everything that a page or an agent can ask."""

from dataclasses import dataclass

from .. import SpaceformerError


class NoMapYet(SpaceformerError):
    """There is nothing to see yet; the message says what is being waited for."""

    code = "NO_MAP_YET"


class NoRobot(SpaceformerError):
    """The request needs a robot, and the source has none."""

    code = "NAVIGATION_UNAVAILABLE"


@dataclass(frozen=True)
class Drive:
    """The state of a drive to an object, with the fields of the feedback and the result of action/GoTo.action.

    code: name of a constant of ResultCode; "" while the robot drives
    object_id: 0 before one is chosen
    distance_remaining, distance: metres, NaN where they are not known
    """

    message: str
    code: str = ""
    object_id: int = 0
    attempts: int = 0
    distance_remaining: float = float("nan")
    distance: float = float("nan")
    checked_with: str = ""


class Source:
    """A map that can be asked. All methods may be called from any thread and raise SpaceformerError with a reason."""

    maps = ()  # names of the maps that `choose` accepts
    chosen = ""  # name of the current one

    def status(self):
        """One sentence: what the source is doing."""
        raise NotImplementedError

    def snapshot(self):
        """The newest Snapshot; the same object as long as nothing changed. Raises NoMapYet."""
        raise NotImplementedError

    def find(self, question):
        """The Findings of a Question, with approach poses; empty with a reason if nothing matches."""
        raise NotImplementedError

    def relevancy(self, text):
        """(Snapshot, [N] float32 in [0, 1]): relevancy of each point of the snapshot's cloud for a text."""
        raise NotImplementedError

    def set_vocabulary(self, labels, append=False):
        """Use other labels (list of str, "sofa|couch" with synonyms), or add them. Returns one sentence."""
        raise NotImplementedError

    def graph(self):
        """The scene graph as a dict (docs/graph.md), in the map's frame; the same object as long as nothing changed."""
        raise NotImplementedError

    def edit(self, operation, ids=(), label=""):
        """Correct the scene: an operation of `scene.edit_request` without a pose. Returns one sentence."""
        raise NotImplementedError

    def choose(self, name):
        """Open another of `maps`."""
        raise SpaceformerError(f"there is no other map than {self.chosen!r}: {name!r} cannot be opened")

    def robot_pose(self):
        """(position [3] metres in the map's frame, yaw in radians) of the robot. Raises NoRobot, or another reason."""
        raise NoRobot("this is the map of a file: there is no robot in it")

    def go_to(self, text="", object_id=0, **limits):
        """Start driving to an object, by text or id. Returns one sentence. Raises NoRobot, or another reason.

        limits: standoff, timeout and max_attempts, as in action/GoTo.action
        """
        raise NoRobot("this is the map of a file: there is no robot that could drive")

    def trip(self):
        """The Drive that `go_to` started. Raises NoRobot, or CodedError if there is none."""
        raise NoRobot("this is the map of a file: there is no robot that could drive")

    def cancel(self):
        """Stop the drive. Returns one sentence. Raises NoRobot."""
        raise NoRobot("this is the map of a file: there is no robot that could be stopped")

    def close(self):
        """Release what the source holds."""
