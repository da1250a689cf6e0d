#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run the tests of the text models with the oldest supported transformers and with the locked one.

Usage: tools/env.sh python tools/transformers_matrix.py [VERSION ...]

Other versions than the locked one are installed by pip below build/transformers/, beside the environment.
"""

import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
OLDEST, LOCKED = "4.49.0", "locked"
# What transformers asks for, where the locked versions of these two are too new for it.
BELOW_5 = ("tokenizers>=0.21,<0.22", "huggingface_hub>=0.26,<1.0")
TESTS = ("test/words", "test/weights/test_download.py")


def main():
    failed = [version for version in sys.argv[1:] or (OLDEST, LOCKED) if not passes(version)]
    sys.exit(f"failed with transformers {', '.join(failed)}" if failed else 0)


def passes(version):
    """Whether the tests pass with a version of transformers, or with LOCKED."""
    environment = dict(os.environ)
    if version != LOCKED:
        environment["PYTHONPATH"] = os.pathsep.join([str(installed(version)), environment.get("PYTHONPATH", str(ROOT))])
    print(f"--- transformers {version}", flush=True)
    return not subprocess.run([sys.executable, "-m", "pytest", "-q", *TESTS], cwd=ROOT, env=environment).returncode


def installed(version):
    """Folder with a version of transformers, installed on first use."""
    folder = ROOT / "build" / "transformers" / version
    if not folder.is_dir():
        pip = shutil.which("pip") or "pip"
        wanted = [f"transformers=={version}", *(BELOW_5 if version.startswith("4.") else ())]
        subprocess.run(
            [pip, "--python", sys.executable, "install", "-q", "--no-deps", "--target", folder, *wanted], check=True
        )
    return folder


if __name__ == "__main__":
    main()
