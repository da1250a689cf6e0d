# SPDX-License-Identifier: Apache-2.0
"""Open-vocabulary 3D instance segmentation of coloured point cloud maps for ROS 2, with the network SpaCeFormer.

Importing this package is cheap, because consumers of its messages import it too.
"""

import os

# Idle OpenMP threads must sleep, not spin: spinning made the network ten times slower on a robot's busy cores.
# The OpenMP runtime reads the variable when torch is first imported; a value set by the user is kept.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# The generated `msg` and `srv` modules are in the install space; this makes them importable from the source tree too.
__path__ = __import__("pkgutil").extend_path(__path__, __name__)

__version__ = "0.1.0"


class SpaceformerError(Exception):
    """Any problem that the user can fix; the message names the value, what was expected and what to do next."""


def suggestion(name, known):
    """For messages: ", did you mean ...?" with the most similar of the names `known`; "" if none is similar."""
    from difflib import get_close_matches

    similar = get_close_matches(name, list(known), 1)
    return f", did you mean {similar[0]!r}?" if similar else ""


class Cancelled(SpaceformerError):
    """The work was cancelled because its owner is shutting down or no longer needs the result."""


class CodedError(SpaceformerError):
    """A request has no answer. `code`: name of a constant of msg/ResultCode.msg."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class StorageError(CodedError):
    """A file cannot be read or written, or access to it is refused, with a code such as "FILE_CORRUPT"."""
