# SPDX-License-Identifier: Apache-2.0
"""Paths of the environment that tools/setup_env.py makes, and how its commands are run. Standard library only."""

import os
import pathlib
import subprocess
import sys

import setup_network

ROOT = pathlib.Path(__file__).resolve().parent.parent
VENV, BUILD = ROOT / ".venv", ROOT / "build"
UV = BUILD / "uv" / "bin" / "uv"
REQUIREMENTS = ROOT / "requirements"
PYTHON = "{}.{}".format(*sys.version_info[:2])
PYTHONS, ROS_PYTHONS = ("3.11", "3.12", "3.13", "3.14"), ("3.11", "3.12", "3.13")
# Variables of a sourced ROS or of another venv that must not affect this one.
PREFIXES = ("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "COLCON_PREFIX_PATH")
FOREIGN = ("PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "VIRTUAL_ENV", *PREFIXES)


def has_ros(python):
    """Whether ROS wheels exist for a Python such as "3.12"."""
    return python in ROS_PYTHONS


def stop(sentence, code=2):
    print(f"setup: {sentence}", file=sys.stderr)
    sys.exit(code)


def environment(**variables):
    """The environment of a command: that of this process without variables of another ROS or venv."""
    return {**{key: value for key, value in os.environ.items() if key not in FOREIGN}, **variables}


def attempt(*command, env=None, cwd=ROOT):
    """Run a command: exit code and output."""
    result = subprocess.run(
        [str(part) for part in command],
        env=env or environment(),
        cwd=cwd,
        close_fds=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return result.returncode, result.stdout


def run(*command, env=None, cwd=ROOT):
    """Run a command; on failure show its output and exit."""
    code, output = attempt(*command, env=env, cwd=cwd)
    if code:
        fail(command, code, output)
    return output


def fail(command, code, output):
    print(output[-8000:], file=sys.stderr)
    if sentence := setup_network.advice(output):
        stop(sentence)
    stop(f"`{' '.join(str(part) for part in command)}` failed with exit code {code}, see above")


def write_new(path, text):
    """Replace a file by a new one: the old one may be a hard link into uv's cache."""
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    new.replace(path)
