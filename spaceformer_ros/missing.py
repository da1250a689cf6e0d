# SPDX-License-Identifier: Apache-2.0
"""One sentence where the Python that runs a program lacks a package, instead of a traceback."""

import contextlib
import sys

from . import SpaceformerError

OF_ROS = ("rclpy", "rcl_interfaces", "rpyutils", "ament_index_python")
START = "python_prefix:=~/spaceformer_venv/bin/python of the launch file"


def missing_package(error, start=START):
    """SpaceformerError that names the package of an ImportError and the Python in use; None for a module of ours.

    start: how to run the program with another Python.
    """
    name = (error.name or "").split(".")[0]
    if name == __package__:
        return None
    package = f"the package {name}" if name else "a package"
    cure = f"run it with the Python that has it, such as {start}, or install it there with pip"
    if name in OF_ROS or name.endswith("_msgs"):
        cure = "source the setup.bash of ROS and of your workspace, and use the Python of that distribution"
    return SpaceformerError(f"{package} cannot be imported by {sys.executable} ({error}): {cure}")


@contextlib.contextmanager
def one_sentence_if_missing(program):
    """A context for the imports of the program of this name, which take seconds and may be interrupted."""
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(130)
    except ImportError as error:
        sentence = missing_package(error)
        if sentence is None:
            raise
        sys.exit(f"{program}: {sentence}")
    except SpaceformerError as error:  # messages that are not built
        sys.exit(f"{program}: {error}")
