# SPDX-License-Identifier: Apache-2.0
"""Python packages: uv, and the locks that it installs without resolving anything. Standard library only."""

import ast
import collections
import os
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.parse

import setup_common as common
import setup_network
from setup_common import REQUIREMENTS, ROOT, attempt, environment, fail, run, stop

TORCH_PAGE = "https://download.pytorch.org/whl/cpu/torch/"
WITHOUT_WHEEL = "empy"  # built with the locked setuptools
GPU_FILES = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg")

Entry = collections.namedtuple("Entry", "name version size")  # one package of a lock; size in bytes


def make_uv():
    """uv in a separate venv, downloaded by pip and checked by hash."""
    shutil.rmtree(common.BUILD / "uv", ignore_errors=True)
    run(sys.executable, "-m", "venv", common.BUILD / "uv")
    lock = REQUIREMENTS / "uv.txt"
    print(f"setup: fetching {sizes([lock])}", flush=True)
    options = ["--disable-pip-version-check", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    run(common.BUILD / "uv" / "bin" / "python", "-m", "pip", "install", *options, "-r", lock)


def wanted_torch():
    """The build of torch for this machine: "cpu" or "cuda"."""
    wanted = os.environ.get("TORCH", "").lower()
    if wanted not in ("", "cpu", "cuda"):
        stop(f"TORCH={wanted}: expected cpu or cuda")
    return wanted or ("cuda" if any(map(os.path.exists, GPU_FILES)) else "cpu")


def make_venv(lock, variant):
    """.venv, always from scratch: uv would remove the inner egg-info folders of ROS wheels as unwanted packages."""
    shutil.rmtree(common.VENV, ignore_errors=True)
    run(sys.executable, "-m", "venv", "--without-pip", common.VENV)
    settings = index_settings()
    if not install([lock, REQUIREMENTS / f"torch-{variant}.txt"], settings, variant):
        print(
            f"setup: {urllib.parse.urlsplit(TORCH_PAGE).netloc}, which has torch without CUDA, cannot be reached: "
            "torch with CUDA instead (to avoid that: UV_FIND_LINKS=<folder with the wheel of torch for CPU>)",
            flush=True,
        )
        install([lock, REQUIREMENTS / "torch-cuda.txt"], settings, "cuda")


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
    command = [common.UV, "pip", "sync", "--require-hashes", "--python", common.VENV / "bin" / "python"]
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
    wheel = f"torch-{version}-cp{common.PYTHON.replace('.', '')}-*.whl"
    folders = [pathlib.Path(re.sub("^file://", "", link)) for link in settings.find_links if "http" not in link[:4]]
    if any(list(folder.glob(wheel)) for folder in folders if folder.is_dir()):
        return []
    return ["--find-links", TORCH_PAGE]


def show(*command, locks, env):
    """Run uv with its progress on the terminal; without a terminal a line for each large package that has come."""
    command = [str(part) for part in command]
    if sys.stderr.isatty():
        code, output = subprocess.run(command, env=env, cwd=ROOT, close_fds=False).returncode, ""
        if code:  # what it printed is on the terminal only: the reason by trying once more
            code, output = attempt(*command, env={**env, "UV_HTTP_RETRIES": "0"})
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
    command = [common.UV, "pip", "install", "--no-deps", "--require-hashes", "--python", common.VENV / "bin" / "python"]
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
    if "proxy" in pip:  # takes precedence over the variables for all programs, as for pip
        env = {name: value for name, value in env.items() if name.lower() not in ("http_proxy", "https_proxy")}
        env["ALL_PROXY"] = pip["proxy"]
    return Settings(options, find_links, env)


def split_links(pip):
    """Split find-links at blanks as pip does, unless the whole value is a folder with blanks in its name."""
    links = pip.get("find-links", "")
    return [links] if pathlib.Path(links).is_dir() else links.split()


def pip_settings():
    """pip's settings from its files and from PIP_* variables, {"index-url": ...}; variables take precedence."""
    code, output = attempt(common.BUILD / "uv" / "bin" / "python", "-m", "pip", "config", "list")
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
    command = [common.UV, "pip", "install", "--dry-run", "--no-deps", "--no-index", "--require-hashes"]
    command += ["--python", common.VENV / "bin" / "python", *settings.options, *source, "-r", locks[1]]
    env = {**settings.env, "UV_HTTP_TIMEOUT": "30", "UV_HTTP_RETRIES": "1"}
    code, output = attempt(*[part for part in command if part not in ("--default-index", "--index")], env=env)
    if code and setup_network.trouble_of_proxy(output):
        fail(command[:3], code, output)
    return code == 0
