# SPDX-License-Identifier: Apache-2.0
"""Paths of the repository, and running helper programs."""

import os
import pathlib
import subprocess
import sys

TEST = pathlib.Path(__file__).resolve().parents[1]
ROOT = TEST.parent
CONFIG, DATA, SCRIPTS = ROOT / "config", TEST / "data", ROOT / "scripts"


def rewrite(path, content):
    """Write a file again as a new one: ext4 writes a file that was emptied and filled again to the disk at once."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def run_helper(name, *arguments, timeout=300):
    """Run a program of this folder in a separate process. Returns its standard output; fails if it fails."""
    paths = os.pathsep.join(filter(None, [str(ROOT), str(TEST), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", f"helpers.{name}", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, timeout=timeout)
    assert done.returncode == 0, f"{name} ended with exit code {done.returncode}"
    return done.stdout
