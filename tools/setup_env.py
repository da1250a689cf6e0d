#!/usr/bin/env python3
"""Make everything that the demo and the tests need, inside this repository. Safe and quick to run again.

    .venv/       Python packages, among them ROS 2 Jazzy as wheels (locked by hash)
    build/ws/    a colcon workspace that builds this package; src/ holds one link, to this repository

A step runs again only when what it depends on changed (stamps in .venv/stamps). Standard library only.
"""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
VENV, WORKSPACE = ROOT / ".venv", ROOT / "build" / "ws"
REQUIREMENTS = ROOT / "requirements"
PYTHONS = ((3, 11), (3, 12), (3, 13))
INTERFACES = ("package.xml", "CMakeLists.txt", "msg", "srv", "scripts", "launch", "config", "spaceformer_ros")
SHELLS = ("sh", "bash", "zsh")
# What a sourced ROS or another venv would mix into this one.
PREFIXES = ("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "COLCON_PREFIX_PATH")
FOREIGN = ("PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", *PREFIXES)


def main():
    check_machine()
    step("virtual environment", [sys.version], make_venv)
    lock = REQUIREMENTS / "ros-jazzy-py{}{}.txt".format(*sys.version_info[:2])
    step("ROS 2 Jazzy as wheels (about 120 MB)", [lock], lambda: pip("--require-hashes", "-r", lock))
    python, extra = REQUIREMENTS / "python.txt", REQUIREMENTS / "no-deps.txt"
    step("Python packages (torch is the large one)", [lock, python], lambda: pip("-r", python))
    step("text model (84 MB)", [extra], lambda: pip("--no-deps", "--require-hashes", "-r", extra))
    step("ROS environment", [lock, pathlib.Path(__file__)], make_underlay)
    step("colcon build", [lock, *map(ROOT.joinpath, INTERFACES)], build)


def check_machine():
    """Exit with one sentence where something is missing that only the user can install."""
    version = "{}.{}".format(*sys.version_info[:2])
    if sys.version_info[:2] not in PYTHONS:
        wanted = ", ".join("{}.{}".format(*p) for p in PYTHONS)
        stop(f"Python {version} runs this, but ROS wheels are locked for {wanted}: make PYTHON=python3.12 ...")
    if shutil.which(os.environ.get("CXX", "c++")) is None and shutil.which("g++") is None:
        stop("there is no C++ compiler, which the ROS messages need: sudo apt install g++")
    if not (pathlib.Path(sysconfig.get_paths()["include"]) / "Python.h").is_file():
        stop(f"the headers of Python {version} are missing, which the ROS messages need: sudo apt install python3-dev")
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        stop(f"Python {version} has no venv module: sudo apt install python{version}-venv")
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        stop(f"ROS wheels exist for Linux on x86_64 only, not {sys.platform} on {os.uname().machine}: see 'On a robot'")


def stop(sentence):
    print(f"setup: {sentence}", file=sys.stderr)
    sys.exit(2)


def step(title, inputs, run):
    """Run a step unless its stamp says that it ran on the same inputs."""
    stamp = VENV / "stamps" / re.sub(r"\W+", "-", title.split("(")[0].strip())
    digest = hash_inputs(inputs)
    if stamp.is_file() and stamp.read_text() == digest:
        return
    print(f"setup: {title} ...", flush=True)
    start = time.monotonic()
    run()
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(digest)
    print(f"setup: {title} done in {time.monotonic() - start:.0f} s", flush=True)


def hash_inputs(inputs):
    """SHA-256 of strings and of the names and contents of files and folders. For our own Python package the names
    alone count: it is installed as links, so edits are live."""
    digest = hashlib.sha256()
    for item in inputs:
        if isinstance(item, str):
            digest.update(item.encode())
            continue
        for path in [item] if item.is_file() else sorted(p for p in item.rglob("*") if "__pycache__" not in p.parts):
            digest.update(str(path.relative_to(ROOT)).encode())
            if path.is_file() and item.name != "spaceformer_ros":
                digest.update(path.read_bytes())
    return digest.hexdigest()


def run(*command, env=None, cwd=ROOT):
    """Run a command without foreign environment; on failure show its output and exit."""
    clean = {key: value for key, value in os.environ.items() if key not in FOREIGN}
    result = subprocess.run(
        [str(part) for part in command],
        env={**clean, **(env or {})},
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if result.returncode:
        print(result.stdout[-8000:], file=sys.stderr)
        stop(f"`{' '.join(str(part) for part in command)}` failed with exit code {result.returncode}, see above")
    return result.stdout


def make_venv():
    shutil.rmtree(VENV, ignore_errors=True)
    run(sys.executable, "-m", "venv", VENV)


def pip(*arguments):
    run(VENV / "bin" / "python", "-m", "pip", "install", "--disable-pip-version-check", *arguments)


def site_packages():
    return VENV / "lib" / "python{}.{}".format(*sys.version_info[:2]) / "site-packages"


def make_underlay():
    """Make the venv behave as /opt/ros/jazzy: correct build paths baked into CMake files, write setup scripts."""
    replaced = (
        (r"/opt/python/cp\d+-cp\d+/include/python[\d.]+", sysconfig.get_paths()["include"]),
        (r"/opt/python/cp\d+-cp\d+/lib/python[\d.]+/site-packages", str(site_packages())),
    )
    for file in (VENV / "share").rglob("*.cmake"):
        text = fixed = file.read_text()
        for pattern, path in replaced:
            fixed = re.sub(pattern, path, fixed)
        if fixed != text:
            file.write_text(fixed)
    for stem in ("setup", "local_setup"):
        for shell in SHELLS:
            (VENV / f"{stem}.{shell}").write_text(setup_script())


def setup_script():
    """Shell code that puts the venv in front of the ROS search paths. The libraries are named in a fixed order, and
    the guard variable keeps the wheels from starting every Python twice to do the same in random order."""
    libraries = ":".join(map(str, [VENV / "lib", *sorted(site_packages().glob("ros_*.libs"))]))
    paths = {
        "AMENT_PREFIX_PATH": VENV,
        "CMAKE_PREFIX_PATH": VENV,
        "PATH": VENV / "bin",
        "LD_LIBRARY_PATH": libraries,
    }
    lines = [
        f'case ":${{{name}-}}:" in *":{path}:"*) ;; *) export {name}="{path}${{{name}:+:${name}}}" ;; esac'
        for name, path in paths.items()
    ]
    exports = "export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1 ROS_VERSION=2 ROS_PYTHON_VERSION=3 ROS_DISTRO=jazzy"
    return "\n".join(["# generated by tools/setup_env.py: ROS 2 Jazzy from wheels", *lines, exports, ""])


def build():
    """colcon build in a workspace beside the sources: CMake refuses packages inside the source folder it builds."""
    link = WORKSPACE / "src" / "spaceformer_ros"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(os.path.relpath(ROOT, link.parent))
    command = "colcon build --symlink-install --cmake-args -G Ninja -DBUILD_TESTING=OFF"
    run("bash", "-c", f". {VENV}/setup.bash && {command}", cwd=WORKSPACE)


if __name__ == "__main__":
    main()
