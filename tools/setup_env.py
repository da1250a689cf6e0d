#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Install everything that the demo, the tests and the command need, inside this repository. Can be repeated safely.

    .venv/       Python packages and the command `spaceformer`; ROS 2 Jazzy as wheels where they exist
    build/uv/    uv, which installs the locks of requirements/ without resolving anything
    build/ws/    a colcon workspace that builds the messages of this package; src/ holds links, to this repository and,
                 for the tests, to the packages in test/interfaces

A step runs again only if its inputs changed. An interrupted run is completed by the next one; a second run at the same
time waits for the first. Standard library only.

    --ros     fail if there are no ROS wheels, instead of installing only the library and the command
    --tests   also the large packages that only the tests need
    TORCH     environment variable: `cpu` or `cuda`; by default CUDA if there is an NVIDIA GPU
"""

import argparse
import fcntl
import hashlib
import os
import pathlib
import platform
import re
import shutil
import sys
import sysconfig
import time

import setup_common as common
import setup_packages as packages
import setup_ros as ros
from setup_common import PYTHONS, REQUIREMENTS, ROOT, ROS_PYTHONS, has_ros, stop

UNUSABLE = frozenset("'\"\\$;")  # in a path: CMake and ament put paths into code without quoting them
STAND_INS = ROOT / "test" / "interfaces"  # packages of other projects, as far as the tests need them
CONTENTS = ("package.xml", "CMakeLists.txt", "msg", "srv", "action")  # what the colcon build depends on; of the others,
NAMES = ("scripts", "launch", "config")  # which are installed as links, names alone count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ros", action="store_true", help="fail where there are no ROS wheels")
    parser.add_argument("--tests", action="store_true", help="also what only the tests need")
    options = parser.parse_args()
    check_machine(options.ros)
    move_home_if_read_only()
    try:
        set_up(options.tests)
    except KeyboardInterrupt:
        stop("interrupted; the next run continues from here", 130)


def build_stand_ins():
    """Build the packages that stand in for those of other projects in tests."""
    ros.colcon_build(*STAND_INS.iterdir())


def set_up(tests):
    """All steps, one run at a time."""
    with wait_for_other_runs():
        step("uv", common.BUILD / "uv", [REQUIREMENTS / "uv.txt", sys.version], packages.make_uv)
        variant = packages.wanted_torch()
        locks = [REQUIREMENTS / f"py{common.PYTHON.replace('.', '')}.txt", REQUIREMENTS / f"torch-{variant}.txt"]
        programs = sorted(pathlib.Path(__file__).parent.glob("setup_*.py"))
        inputs = [sys.version, str(ROOT), locks[0], locks[1], *programs]
        step("Python packages", common.VENV, inputs, lambda: make_environment(locks[0], variant))
        if tests:
            lock = REQUIREMENTS / "tests.txt"
            step("packages of the tests", common.VENV, [lock], lambda: packages.add(lock))
        if has_ros(common.PYTHON):
            sources = [*map(ROOT.joinpath, CONTENTS), *listed(NAMES)]
            step("ROS messages", common.VENV, sources, lambda: ros.build(hash_inputs(inputs[:3])))
            if tests:
                step("ROS messages of the tests", common.VENV, [STAND_INS], build_stand_ins)


def make_environment(lock, variant):
    """.venv with its packages, ROS and the command."""
    packages.make_venv(lock, variant)
    if has_ros(common.PYTHON):
        ros.make_underlay()
    ros.make_command()


def check_machine(ros):
    """Exit with one sentence if something is missing that only the user can install."""
    machine = platform.machine()
    if sys.platform != "linux" or machine != "x86_64":
        stop(f"the locked packages are for Linux on x86_64, not {sys.platform} on {machine}: see 'On a robot'")
    if common.PYTHON not in PYTHONS:
        locked = ", ".join(PYTHONS)
        stop(f"Python {common.PYTHON} runs this, but packages are locked for {locked}: make PYTHON=python3.12 ...")
    if not has_ros(common.PYTHON):
        if ros:
            stop(
                f"ROS wheels exist for Python {ROS_PYTHONS[0]} to {ROS_PYTHONS[-1]}, not for {common.PYTHON}: "
                "make PYTHON=python3.12 ..., or take ROS from apt as in 'On a robot'"
            )
        print(f"setup: no ROS wheels for Python {common.PYTHON}: only the library and the command", flush=True)
    if os.pathsep in str(ROOT):
        stop(f"a colon in the path {ROOT} cannot be written in PATH: move this folder")
    if has_ros(common.PYTHON) and (found := UNUSABLE.intersection(str(ROOT))):
        stop(f"the build of ROS messages fails with {' '.join(found)} in the path {ROOT}: move this folder")
    if not os.access(ROOT, os.W_OK):
        stop(f"{ROOT} cannot be written by this user: everything is set up inside it")
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        stop(f"Python {common.PYTHON} has no venv module: sudo apt install python{common.PYTHON}-venv")
    if has_ros(common.PYTHON):
        if shutil.which(os.environ.get("CXX", "c++")) is None and shutil.which("g++") is None:
            stop("there is no C++ compiler, which the ROS messages need: sudo apt install g++")
        if not (pathlib.Path(sysconfig.get_paths()["include"]) / "Python.h").is_file():
            stop(f"the headers of Python {common.PYTHON} are missing: sudo apt install python{common.PYTHON}-dev")


def move_home_if_read_only():
    """Put caches and logs below build/ if the home folder is not writable; tools/env.sh does the same."""
    home = os.environ.get("HOME", "")
    if not home or not os.access(home, os.W_OK):
        os.environ["HOME"] = str(common.BUILD / "home")
        (common.BUILD / "home").mkdir(parents=True, exist_ok=True)
    for name in ("XDG_CACHE_HOME", "UV_CACHE_DIR", "PIP_CACHE_DIR"):
        folder = pathlib.Path(os.environ.get(name) or "/")
        while not folder.exists():
            folder = folder.parent
        if not os.access(folder, os.W_OK):
            os.environ.pop(name, None)


def wait_for_other_runs():
    """Hold a lock on build/setup.lock. Children inherit it, so that it lasts until the last of them has ended."""
    common.BUILD.mkdir(exist_ok=True)
    lock = open(common.BUILD / "setup.lock", "w")  # noqa: SIM115
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("setup: waiting for another set-up in this folder", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)
    os.set_inheritable(lock.fileno(), True)
    return lock


def step(title, folder, inputs, run):
    """Run a step unless the stamp in its output folder shows that it ran on the same inputs."""
    stamp = folder / "stamps" / re.sub(r"\W+", "-", title)
    digest = hash_inputs(inputs)
    if stamp.is_file() and stamp.read_text() == digest:
        return
    stamp.unlink(missing_ok=True)
    print(f"setup: {title} ...", flush=True)
    start = time.monotonic()
    run()
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.with_suffix(".new").write_text(digest)
    stamp.with_suffix(".new").replace(stamp)
    print(f"setup: {title} done in {time.monotonic() - start:.0f} s", flush=True)


def hash_inputs(inputs):
    """SHA-256 of strings and of the names and contents of files and folders."""
    digest = hashlib.sha256()
    for item in inputs:
        if isinstance(item, str):
            digest.update(item.encode())
            continue
        for path in [item] if item.is_file() else sorted(item.rglob("*")):
            digest.update(str(path.relative_to(ROOT)).encode())
            if path.is_file():
                digest.update(path.read_bytes())
    return digest.hexdigest()


def listed(folders):
    """Names of the files in some folders of this repository."""
    paths = (path for folder in folders for path in (ROOT / folder).rglob("*"))
    return sorted(str(path.relative_to(ROOT)) for path in paths if "__pycache__" not in path.parts)


if __name__ == "__main__":
    main()
