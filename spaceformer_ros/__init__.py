# SPDX-License-Identifier: Apache-2.0
"""SpaCeFormer on a robot: open-vocabulary 3D instance segmentation of coloured point cloud maps for ROS 2.

Importing this package loads nothing heavy: consumers of the messages import it too.
"""

import os

# OpenMP threads that wait must sleep, not spin: spinning made the network ten times slower on a robot's busy cores.
# Read by the OpenMP runtime when torch is first imported; set the variable yourself for anything else.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# The generated `msg` and `srv` modules live in the install space: let source-tree imports see them as well.
__path__ = __import__("pkgutil").extend_path(__path__, __name__)

__version__ = "0.1.0"


class SpaceformerError(Exception):
    """Any problem that the user can fix; the message names the value, what was expected and what to do next."""


class Cancelled(SpaceformerError):
    """Work that was broken off because its owner is shutting down, or no longer wants its result."""


class StorageError(SpaceformerError):
    """A file that cannot be read or written, or must not be. `code`: a name such as "FILE_CORRUPT", as the services
    report it."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code
