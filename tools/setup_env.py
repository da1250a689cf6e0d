#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Install everything that the demo, the tests and the command need, inside this repository. Can be repeated safely.

    .venv/       Python packages and the command `spaceformer`; ROS 2 Jazzy as wheels where they exist
    build/uv/    uv, which installs the locks of requirements/ without resolving anything
    build/ws/    a colcon workspace that builds the messages of this package; src/ holds one link, to this repository

A step runs again only if its inputs changed. An interrupted run is completed by the next one; a second run at the same
time waits for the first. Standard library only.

    --ros     fail if there are no ROS wheels, instead of installing only the library and the command
    --tests   also the large packages that only the tests need
    TORCH     environment variable: `cpu` or `cuda`; by default CUDA if there is an NVIDIA GPU
"""

import argparse
import ast
import collections
import fcntl
import hashlib
import os
import pathlib
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
VENV, BUILD = ROOT / ".venv", ROOT / "build"
UV, WORKSPACE = BUILD / "uv" / "bin" / "uv", BUILD / "ws"
REQUIREMENTS = ROOT / "requirements"
PYTHON = "{}.{}".format(*sys.version_info[:2])
PYTHONS, ROS_PYTHONS = ("3.11", "3.12", "3.13", "3.14"), ("3.11", "3.12", "3.13")
TORCH_PAGE = "https://download.pytorch.org/whl/cpu/torch/"
WITHOUT_WHEEL = "empy"  # built with the locked setuptools
CONTENTS = ("package.xml", "CMakeLists.txt", "msg", "srv")  # what the colcon build depends on; of the others,
NAMES = ("scripts", "launch", "config")  # which are installed as links, names alone count
# Variables of a sourced ROS or of another venv that must not affect this one.
PREFIXES = ("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "COLCON_PREFIX_PATH")
FOREIGN = ("PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "VIRTUAL_ENV", *PREFIXES)
OFFLINE = re.compile(
    r"dns error|name resolution|Name or service not known|unreachable|[Cc]onnection refused|timed out"
    r"|error sending request|Failed to establish a new connection|[Cc]ould not connect|tcp connect|Connection reset"
)
GPU_FILES = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg")

Entry = collections.namedtuple("Entry", "name version size")  # one package of a lock; size in bytes


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


def set_up(tests):
    """All steps, one run at a time."""
    with wait_for_other_runs():
        step("uv", BUILD / "uv", [REQUIREMENTS / "uv.txt", sys.version], make_uv)
        variant = wanted_torch()
        locks = [REQUIREMENTS / f"py{PYTHON.replace('.', '')}.txt", REQUIREMENTS / f"torch-{variant}.txt"]
        inputs = [sys.version, str(ROOT), locks[0], locks[1], pathlib.Path(__file__)]
        step("Python packages", VENV, inputs, lambda: make_venv(locks[0], variant))
        if tests:
            lock = REQUIREMENTS / "tests.txt"
            step("packages of the tests", VENV, [lock], lambda: add(lock))
        if has_ros(PYTHON):
            sources = [*map(ROOT.joinpath, CONTENTS), *listed(NAMES)]
            step("ROS messages", VENV, sources, lambda: build(hash_inputs(inputs[:3])))


def has_ros(python):
    """Whether ROS wheels exist for a Python such as "3.12"."""
    return python in ROS_PYTHONS


def check_machine(ros):
    """Exit with one sentence if something is missing that only the user can install."""
    machine = platform.machine()
    if sys.platform != "linux" or machine != "x86_64":
        stop(f"the locked packages are for Linux on x86_64, not {sys.platform} on {machine}: see 'On a robot'")
    if PYTHON not in PYTHONS:
        stop(f"Python {PYTHON} runs this, but packages are locked for {', '.join(PYTHONS)}: make PYTHON=python3.12 ...")
    if not has_ros(PYTHON):
        if ros:
            stop(
                f"ROS wheels exist for Python {ROS_PYTHONS[0]} to {ROS_PYTHONS[-1]}, not for {PYTHON}: "
                "make PYTHON=python3.12 ..., or take ROS from apt as in 'On a robot'"
            )
        print(f"setup: no ROS wheels for Python {PYTHON}: only the library and the command", flush=True)
    if os.pathsep in str(ROOT):
        stop(f"a colon in the path {ROOT} cannot be written in PATH: move this folder")
    if not os.access(ROOT, os.W_OK):
        stop(f"{ROOT} cannot be written by this user: everything is set up inside it")
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        stop(f"Python {PYTHON} has no venv module: sudo apt install python{PYTHON}-venv")
    if has_ros(PYTHON):
        if shutil.which(os.environ.get("CXX", "c++")) is None and shutil.which("g++") is None:
            stop("there is no C++ compiler, which the ROS messages need: sudo apt install g++")
        if not (pathlib.Path(sysconfig.get_paths()["include"]) / "Python.h").is_file():
            stop(f"the headers of Python {PYTHON} are missing: sudo apt install python{PYTHON}-dev")


def stop(sentence, code=2):
    print(f"setup: {sentence}", file=sys.stderr)
    sys.exit(code)


def move_home_if_read_only():
    """Put caches and logs below build/ if the home folder is not writable; tools/env.sh does the same."""
    home = os.environ.get("HOME", "")
    if not home or not os.access(home, os.W_OK):
        os.environ["HOME"] = str(BUILD / "home")
        (BUILD / "home").mkdir(parents=True, exist_ok=True)
    for name in ("XDG_CACHE_HOME", "UV_CACHE_DIR", "PIP_CACHE_DIR"):
        folder = pathlib.Path(os.environ.get(name) or "/")
        while not folder.exists():
            folder = folder.parent
        if not os.access(folder, os.W_OK):
            os.environ.pop(name, None)


def wait_for_other_runs():
    """Hold a lock on build/setup.lock. Children inherit it, so that it lasts until the last of them has ended."""
    BUILD.mkdir(exist_ok=True)
    lock = open(BUILD / "setup.lock", "w")  # noqa: SIM115
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
    if OFFLINE.search(output):
        stop("offline, or the package index cannot be reached, see above: run this again with a network")
    stop(f"`{' '.join(str(part) for part in command)}` failed with exit code {code}, see above")


# --- packages ---


def make_uv():
    """uv in a separate venv, downloaded by pip and checked by hash."""
    shutil.rmtree(BUILD / "uv", ignore_errors=True)
    run(sys.executable, "-m", "venv", BUILD / "uv")
    lock = REQUIREMENTS / "uv.txt"
    print(f"setup: fetching {sizes([lock])}", flush=True)
    options = ["--disable-pip-version-check", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    run(BUILD / "uv" / "bin" / "python", "-m", "pip", "install", *options, "-r", lock)


def wanted_torch():
    """The build of torch for this machine: "cpu" or "cuda"."""
    wanted = os.environ.get("TORCH", "").lower()
    if wanted not in ("", "cpu", "cuda"):
        stop(f"TORCH={wanted}: expected cpu or cuda")
    return wanted or ("cuda" if any(map(os.path.exists, GPU_FILES)) else "cpu")


def make_venv(lock, variant):
    """.venv, always from scratch: uv would remove the inner egg-info folders of ROS wheels as unwanted packages."""
    shutil.rmtree(VENV, ignore_errors=True)
    run(sys.executable, "-m", "venv", "--without-pip", VENV)
    settings = index_settings()
    if not install([lock, REQUIREMENTS / f"torch-{variant}.txt"], settings, variant):
        print(
            f"setup: {urllib.parse.urlsplit(TORCH_PAGE).netloc}, which has torch without CUDA, cannot be reached: "
            "torch with CUDA instead (to avoid that: UV_FIND_LINKS=<folder with the wheel of torch for CPU>)",
            flush=True,
        )
        install([lock, REQUIREMENTS / "torch-cuda.txt"], settings, "cuda")
    if has_ros(PYTHON):
        make_underlay()
    make_command()


def install(locks, settings, variant):
    """Install complete locks: from the cache if it has all packages, otherwise from the index. Nothing is resolved.

    Returns False if torch without CUDA cannot be reached.
    """
    command = sync_command(locks, settings, variant)
    if attempt(*command, "--offline", env=settings.env)[0] == 0:
        return True
    if variant == "cpu" and not torch_page_answers(locks, settings):
        return False
    print(f"setup: fetching {sizes(locks)}", flush=True)
    show(*command, locks=locks, env=settings.env)
    return True


def sync_command(locks, settings, variant):
    command = [UV, "pip", "sync", "--require-hashes", "--python", VENV / "bin" / "python"]
    command += ["--only-binary", ":all:", "--no-binary", WITHOUT_WHEEL]
    command += ["--build-constraints", locks[0], "--require-build-hashes"]
    command += ["--preview-features", "build-dependency-hashes"]
    command += ["--index-strategy", "unsafe-best-match", *settings.options]
    return command + torch_source(variant, settings) + [str(lock) for lock in locks]


def torch_source(variant, settings):
    """Where uv finds torch without CUDA: folders set by the user, otherwise PyTorch's page."""
    if variant != "cpu":
        return []
    (version,) = {entry.version for entry in read_lock(REQUIREMENTS / "torch-cpu.txt")}
    wheel = f"torch-{version}-cp{PYTHON.replace('.', '')}-*.whl"
    folders = [pathlib.Path(re.sub("^file://", "", link)) for link in settings.find_links if "http" not in link[:4]]
    if any(list(folder.glob(wheel)) for folder in folders if folder.is_dir()):
        return []
    return ["--find-links", TORCH_PAGE]


def show(*command, locks, env):
    """Run uv with its progress on the terminal; without a terminal a line for each large package that has come."""
    command = [str(part) for part in command]
    if sys.stderr.isatty():
        code, output = subprocess.run(command, env=env, cwd=ROOT, close_fds=False).returncode, ""
    else:
        size = {entry.name: entry.size for lock in locks for entry in read_lock(lock)}
        process = subprocess.Popen(
            command, env=env, cwd=ROOT, close_fds=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        output, fetched, total = "", 0, sum(size.values())
        for line in process.stdout:
            output += line
            come = re.match(r"\s*Downloaded (\S+)", line)
            fetched += size.get(come[1], 0) if come else 0
            if come and size.get(come[1], 0) > 1e7:
                print(f"setup: {come[1]} downloaded, {fetched / 1e6:.0f} of {total / 1e6:.0f} MB", flush=True)
        code = process.wait()
    if code:
        fail(command[:3], code, output)


def sizes(locks):
    """How many packages some locks name, how large they are, and which are the largest."""
    entries = [entry for lock in locks for entry in read_lock(lock)]
    largest = sorted(entries, key=lambda entry: -entry.size)[:6]
    named = ", ".join(f"{entry.name} {entry.size / 1e6:.0f}" for entry in largest)
    named += ", ..." if len(entries) > len(largest) else ""
    total = sum(entry.size for entry in entries) / 1e6
    return f"{len(entries)} packages, {total:.0f} MB ({named})" if len(entries) > 1 else f"{named} MB"


def read_lock(lock):
    """The entries of a lock; none if the file does not exist."""
    text = lock.read_text() if lock.is_file() else ""
    pattern = r"^([A-Za-z0-9._-]+)==(\S+)((?:[ \t]*\\\n\s+--hash=\S+)+)(?:\n\s+# (\d+) bytes)?"
    return [Entry(name, version, int(size or 0)) for name, version, _, size in re.findall(pattern, text, re.M)]


def add(lock):
    """Install one more lock into .venv; other packages are unchanged."""
    settings = index_settings()
    command = [UV, "pip", "install", "--no-deps", "--require-hashes", "--python", VENV / "bin" / "python"]
    command += ["--only-binary", ":all:", "--index-strategy", "unsafe-best-match", *settings.options, "-r", lock]
    if attempt(*command, "--offline", env=settings.env)[0]:
        print(f"setup: fetching {sizes([lock])}", flush=True)
        show(*command, locks=[lock], env=settings.env)


Settings = collections.namedtuple("Settings", "options find_links env")  # for uv: arguments, folders, environment


def index_settings():
    """pip's settings of index, proxy and certificates, converted for uv. Settings of uv itself take precedence."""
    pip, env = pip_settings(), environment(UV_PYTHON_DOWNLOADS="never")
    env.setdefault("UV_HTTP_TIMEOUT", "120")
    options = []
    if not {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & set(env) and "index-url" in pip:
        options += ["--default-index", pip["index-url"]]
    if not {"UV_INDEX", "UV_EXTRA_INDEX_URL"} & set(env):
        for index in pip.get("extra-index-url", "").split():
            options += ["--index", index]
    find_links = [link for link in env.pop("UV_FIND_LINKS", "").split(",") if link] or split_links(pip)
    for link in find_links:
        options += ["--find-links", link]
    for host in pip.get("trusted-host", "").split():
        options += ["--allow-insecure-host", host]
    if pip.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        options += ["--no-index"]
    if "cert" in pip:
        env.setdefault("SSL_CERT_FILE", pip["cert"])
    if "proxy" in pip:
        env.setdefault("ALL_PROXY", pip["proxy"])
    return Settings(options, find_links, env)


def split_links(pip):
    """Split find-links at blanks as pip does, unless the whole value is a folder with blanks in its name."""
    links = pip.get("find-links", "")
    return [links] if pathlib.Path(links).is_dir() else links.split()


def pip_settings():
    """pip's settings from its files and from PIP_* variables, {"index-url": ...}; variables take precedence."""
    code, output = attempt(BUILD / "uv" / "bin" / "python", "-m", "pip", "config", "list")
    found = {}
    for rank in ("global", "install", ":env:"):
        for name, value in re.findall(rf"^{rank}\.(\S+?)=(.*)$", output if code == 0 else "", re.M):
            found[name.replace("_", "-")] = ast.literal_eval(value)
    return found


def torch_page_answers(locks, settings):
    """Whether uv can reach torch without CUDA."""
    source = torch_source("cpu", settings)
    if not source:
        return True
    command = [UV, "pip", "install", "--dry-run", "--no-deps", "--no-index", "--require-hashes"]
    command += ["--python", VENV / "bin" / "python", *settings.options, *source, "-r", locks[1]]
    env = {**settings.env, "UV_HTTP_TIMEOUT": "30", "UV_HTTP_RETRIES": "1"}
    return attempt(*[part for part in command if part not in ("--default-index", "--index")], env=env)[0] == 0


# --- ROS and the command ---


def site_packages():
    return VENV / "lib" / f"python{PYTHON}" / "site-packages"


def make_command():
    """The command `spaceformer` of this checkout, and its package for every Python program in the environment."""
    (site_packages() / "spaceformer_ros_checkout.pth").write_text(f"{ROOT}\n")
    command = shlex.join([str(VENV / "bin" / "python"), str(ROOT / "scripts" / "spaceformer")])
    # the guard variable prevents the ROS wheels from restarting Python: the command does not use ROS
    write_new(VENV / "bin" / "spaceformer", f'#!/bin/sh\n_ROS_WHEELS_BOOTSTRAP_COMPLETE=1 exec {command} "$@"\n')
    (VENV / "bin" / "spaceformer").chmod(0o755)


def write_new(path, text):
    """Replace a file by a new one: the old one may be a hard link into uv's cache."""
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    new.replace(path)


def make_underlay():
    """Make the venv behave as /opt/ros/jazzy: correct build paths baked into CMake files, write setup scripts."""
    replaced = (
        (r"/opt/python/cp\d+-cp\d+/include/python[\d.]+", sysconfig.get_paths()["include"]),
        (r"/opt/python/cp\d+-cp\d+/lib/python[\d.]+/site-packages", str(site_packages())),
    )
    for file in (VENV / "share").rglob("*.cmake"):
        text = fixed = file.read_text()
        for pattern, path in replaced:
            fixed = re.sub(pattern, lambda _, path=path: path, fixed)
        if fixed != text:
            write_new(file, fixed)
    for stem in ("setup", "local_setup"):
        for shell in ("sh", "bash", "zsh"):
            write_new(VENV / f"{stem}.{shell}", setup_script())


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
        f"_path={shlex.quote(str(path))}\n"
        f'case ":${{{name}-}}:" in *":$_path:"*) ;; *) export {name}="$_path${{{name}:+:${name}}}" ;; esac'
        for name, path in paths.items()
    ]
    exports = "export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1 ROS_VERSION=2 ROS_PYTHON_VERSION=3 ROS_DISTRO=jazzy"
    return "\n".join(["# generated by tools/setup_env.py: ROS 2 Jazzy from wheels", *lines, "unset _path", exports, ""])


def build(digest):
    """colcon build in a workspace beside the sources: CMake refuses packages inside the source folder it builds.

    What an interrupted build, or one with other packages than the digest stands for, left is removed first."""
    done = WORKSPACE / "built-with"
    if not done.is_file() or done.read_text() != digest:
        shutil.rmtree(WORKSPACE, ignore_errors=True)
    done.unlink(missing_ok=True)
    link = WORKSPACE / "src" / "spaceformer_ros"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(os.path.relpath(ROOT, link.parent))
    command = "colcon build --symlink-install --cmake-args -G Ninja -DBUILD_TESTING=OFF"
    run("bash", "-c", f". {shlex.quote(str(VENV / 'setup.bash'))} && {command}", cwd=WORKSPACE)
    done.write_text(digest)


if __name__ == "__main__":
    main()
