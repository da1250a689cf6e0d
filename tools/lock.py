#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the locks in requirements/ from the *.in files there. For maintainers; needs the package index.

Usage: python3 tools/lock.py             versions stay as they are locked, where the *.in files allow it
       python3 tools/lock.py --upgrade   newest versions that the *.in files allow

    pyXYZ.txt       everything for one Python on Linux x86_64, but torch and tests.txt (3.14: without ROS)
    torch-cpu.txt   torch without CUDA, from download.pytorch.org
    torch-cuda.txt  torch with CUDA and NVIDIA's libraries, from the package index
    tests.txt       large packages that only the tests need
    uv.txt          the program that installs the locks

Each entry names its size, which tools/setup_env.py adds up before it fetches anything. All Pythons get the same
versions. `pip freeze` must not be used: the ROS wheels carry inner egg-info folders (rclpy, sensor_msgs, ...) whose
names belong to other projects on the package index.
"""

import argparse
import pathlib
import re
import subprocess
import tempfile
import urllib.parse
import urllib.request

import setup_common
import setup_packages
import tomllib

REQUIREMENTS = setup_common.REQUIREMENTS
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
SYSTEM = "x86_64-manylinux_2_28"  # the oldest: every package must have a wheel for it
NEWEST = "x86_64-manylinux_2_40"  # machines with a newer glibc take other wheels of the same version
UV_SYSTEMS = (SYSTEM, "aarch64-manylinux_2_28", "x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl")
TESTS_ONLY = ("ray", "triton", "usd-core", "rerun-sdk", "pyarrow", "playwright")
WITHOUT_WHEEL = "empy"  # built from source, with the locked setuptools
CUDA = re.compile(r"(nvidia|cuda)-")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upgrade", action="store_true", help="newest versions that the *.in files allow")
    upgrade = parser.parse_args().upgrade
    if not setup_common.UV.is_file():
        setup_packages.make_uv()
    kept = {} if upgrade else locked_versions()
    shared = {}  # packages of torch-cuda.txt and tests.txt: the same version and the files of every Python
    for python in PYTHONS:
        inputs = ["python.in"] + (["ros-jazzy.in"] if setup_common.has_ros(python) else [])
        oldest = resolve(inputs, python, kept)
        packages = resolve(
            inputs, python, {name: package["version"] for name, package in oldest.items()}, system=NEWEST
        )
        packages.update(resolve(["no-deps.in"], python, {}, "--no-deps"))
        kept.update({name: package["version"] for name, package in packages.items()})
        apart = {n: p for n, p in packages.items() if n in TESTS_ONLY or n == "torch" or CUDA.match(n)}
        for name, package in apart.items():
            assert shared.setdefault(name, package)["version"] == package["version"], name
            found = shared[name].setdefault("files", [])
            found += [file for file in files(package) if file not in found]
        complete = [(n, p["version"], files(p)) for n, p in packages.items() if n not in apart]
        text = f"Every package for Python {python} on Linux x86_64, but torch-*.txt and tests.txt."
        write(f"py{python.replace('.', '')}.txt", text, complete)
    rows = [(name, package["version"], package["files"]) for name, package in shared.items()]
    cuda = [row for row in rows if row[0] not in TESTS_ONLY or row[0] == "triton"]
    write("torch-cuda.txt", "torch with CUDA, and what it needs of NVIDIA.", cuda)
    write("tests.txt", "Large packages that only the tests need.", [row for row in rows if row[0] in TESTS_ONLY])
    lock_torch_cpu(shared["torch"]["version"])
    found = [resolve(["uv.in"], PYTHONS[0], {}, system=system)["uv"] for system in UV_SYSTEMS]
    text = "uv, which installs the other locks: for x86_64 and aarch64, glibc and musl."
    write("uv.txt", text, [("uv", found[0]["version"], list(dict.fromkeys(f for uv in found for f in files(uv))))])


def locked_versions():
    """{name: version} of all locks that are there."""
    return {
        entry.name: entry.version
        for lock in REQUIREMENTS.glob("*.txt")
        for entry in setup_packages.read_lock(lock)
        if lock.name not in ("uv.txt", "torch-cpu.txt")
    }


def resolve(inputs, python, kept, *options, system=SYSTEM):
    """uv's resolution of *.in files for one Python: {name: package as in PEP 751}."""
    with tempfile.TemporaryDirectory() as folder:
        output, constraints = pathlib.Path(folder, "pylock.toml"), pathlib.Path(folder, "kept.txt")
        constraints.write_text("".join(f"{name}=={version}\n" for name, version in kept.items()))
        command = [setup_common.UV, "pip", "compile", "--quiet", *[REQUIREMENTS / name for name in inputs], *options]
        command += ["--python-version", python, "--python-platform", system, "-c", constraints]
        command += ["--only-binary", ":all:", "--no-binary", WITHOUT_WHEEL, "--no-sources", "-o", output]
        subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
        return {package["name"]: package for package in tomllib.loads(output.read_text())["packages"]}


def files(package):
    """[(sha256, bytes)] of the files of a package that uv found usable for the Python and the platform asked for."""
    return [(file["hashes"]["sha256"], file["size"]) for file in package.get("wheels") or [package["sdist"]]]


def write(name, text, rows):
    """Write one lock: rows of (name, version, [(sha256, bytes)])."""
    lines = [f"# {text} Written by tools/lock.py."]
    for package, version, files in sorted(rows):
        hashes = [f"    --hash=sha256:{digest}" for digest, _ in files]
        lines += [f"{package}=={version} \\", " \\\n".join(hashes), f"    # {max(size for _, size in files)} bytes"]
    (REQUIREMENTS / name).write_text("\n".join(lines) + "\n")
    total = sum(max(size for _, size in files) for _, _, files in rows)
    print(f"requirements/{name}: {len(rows)} packages, {total / 1e6:.0f} MB", flush=True)


def lock_torch_cpu(version):
    """Lock the CPU builds by the hashes that their page names; keep the lock where it names this version already."""
    version += "+cpu"
    if any(entry.version == version for entry in setup_packages.read_lock(REQUIREMENTS / "torch-cpu.txt")):
        print(f"requirements/torch-cpu.txt: names torch {version} already")
        return
    with urllib.request.urlopen(setup_packages.TORCH_PAGE, timeout=60) as page:
        links = re.findall(r'href="([^"#]+/(torch-[^"#/]+\.whl))#sha256=([0-9a-f]{64})"', page.read().decode())
    rows = []
    for tag in (f"cp{python.replace('.', '')}" for python in PYTHONS):
        wheel = re.compile(rf"torch-{re.escape(version.replace('+', '%2B'))}-{tag}-{tag}-manylinux\w+_x86_64\.whl")
        ((url, digest),) = {(url, digest) for url, file, digest in links if wheel.fullmatch(file)}
        request = urllib.request.Request(urllib.parse.urljoin(setup_packages.TORCH_PAGE, url), method="HEAD")
        with urllib.request.urlopen(request, timeout=60) as answer:
            rows.append((digest, int(answer.headers["Content-Length"])))
    write("torch-cpu.txt", f"torch without CUDA, from {setup_packages.TORCH_PAGE}", [("torch", version, rows)])


if __name__ == "__main__":
    main()
