#!/usr/bin/env python3
"""Write requirements/ros-jazzy-pyXYZ.txt, the hash lock of the ROS 2 wheels, for the Python that runs this script.

Usage (maintainers only): python3.12 tools/lock_ros.py

The lock is made from pip's own resolution report. `pip freeze` must not be used: the ROS wheels carry inner
egg-info folders (rclpy, sensor_msgs, ...) whose names belong to other projects on the package index.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

REQUIREMENTS = pathlib.Path(__file__).resolve().parent.parent / "requirements"


def resolve(requirements):
    """pip's resolution of a requirements file: sorted rows (name, version, sha256)."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        subprocess.run([*command, "--report", report.name, "-r", str(requirements)], check=True)
        installs = json.loads(pathlib.Path(report.name).read_text())["install"]
    return sorted(
        (
            item["metadata"]["name"].lower().replace("_", "-").replace(".", "-"),
            item["metadata"]["version"],
            item["download_info"]["archive_info"]["hashes"]["sha256"],
        )
        for item in installs
    )


def main():
    rows = resolve(REQUIREMENTS / "ros-jazzy.in")
    target = REQUIREMENTS / "ros-jazzy-py{}{}.txt".format(*sys.version_info[:2])
    target.write_text("".join(f"{name}=={version} \\\n    --hash=sha256:{digest}\n" for name, version, digest in rows))
    print(f"{target}: {len(rows)} distributions")


if __name__ == "__main__":
    main()
