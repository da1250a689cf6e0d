# SPDX-License-Identifier: Apache-2.0
"""Batches: skipped and repeated files, and the effect of kills, bad files and dead workers."""

import concurrent.futures
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest
from helpers.fragile_worker import FragileWorker, NoWorker
from helpers.paths import ROOT

from spaceformer_ros import SpaceformerError
from spaceformer_ros.batch import batch
from spaceformer_ros.batch.batch import FAILED, SEGMENTED, UNCHANGED, MapSegmenter, Task, cloud_files, segment_files
from spaceformer_ros.batch.records import task_digest
from spaceformer_ros.batch.workers import ProcessWorker, RayWorker, WorkerLost, distribute
from spaceformer_ros.cli import main, segment
from spaceformer_ros.clouds.files import write_cloud
from spaceformer_ros.config import Config
from spaceformer_ros.weights.checkpoint import DEMO_TEXT_MODEL, save_checkpoint
from spaceformer_ros.words.similarity import Similarity

NAMES = ("a", "b", "c", "d")


class InlineWorker:
    """Runs in this process, so that most tests need no other."""

    def __init__(self, worker):
        self.worker, self.closed = worker, False

    def submit(self, path):
        future = concurrent.futures.Future()
        future.set_result(self.worker.run(path))
        return future

    def close(self):
        self.closed = True


@pytest.fixture
def maps(tmp_path, box_cloud):
    """A folder with four small maps and a damaged one."""
    folder = tmp_path / "maps"
    folder.mkdir()
    for k, name in enumerate(NAMES):
        write_cloud(
            folder / f"{name}.ply", box_cloud([((k, 0, 0.5), (1.0, 1.0 + 0.2 * k, 1.0), (200, 30 * k, 30))], 1500)
        )
    (folder / "bad.ply").write_bytes((folder / "a.ply").read_bytes()[:900])
    (folder / "a.json").write_text("[]")  # other files are ignored
    return folder


@pytest.fixture
def values(tmp_path, tiny_model, text_cache):
    """Settings of a tiny checkpoint with random weights that publishes everything it finds."""
    save_checkpoint(
        tmp_path / "tiny.safetensors", tiny_model(text_channels=384), DEMO_TEXT_MODEL, Similarity(True, 20.0)
    )
    return {
        "checkpoint": str(tmp_path / "tiny.safetensors"),
        "cache_dir": str(text_cache),
        "score_threshold": 0.0,
        "offline": True,
        "warm_up": False,
    }


def command_line(maps, out, values, *more):
    """Arguments of the command that segments a folder."""
    settings = [part for name, value in values.items() for part in ("--set", f"{name}={value}")]
    return ["segment", str(maps), "--out", str(out), "--no-pictures", *settings, *more]


def run_inline(maps, out, values):
    """Dict name -> status of a run in this process."""
    task = Task(Config().with_values(values), out, pictures=False).absolute()
    reports = segment_files(cloud_files([str(maps)]), task, [InlineWorker(MapSegmenter(task))])
    return {pathlib.Path(report.path).stem: report.status for report in reports}


def contents(out):
    """Dict name -> bytes of all results."""
    return {file.name: file.read_bytes() for file in out.iterdir() if file.is_file()}


def all_maps(status):
    return {**dict.fromkeys(NAMES, status), "bad": FAILED}


@pytest.mark.slow
def test_finished_maps_are_skipped_until_they_change(tmp_path, maps, values, box_cloud):
    out = tmp_path / "out"
    assert run_inline(maps, out, values) == all_maps(SEGMENTED)
    first = contents(out)
    assert set(first) == {f"{name}{end}" for name in NAMES for end in (".json", "_labeled.ply")}
    assert all(json.loads(first[f"{name}.json"])[0]["id"] == 1 for name in NAMES), "ids go on over maps"
    for name in NAMES:
        os.utime(maps / f"{name}.ply")  # touched is not changed
    assert run_inline(maps, out, values) == all_maps(UNCHANGED)
    write_cloud(maps / "a.ply", box_cloud([((0, 0, 1.0), (1.0, 1.0, 2.0), (30, 30, 200))], 1500))
    (out / "b_labeled.ply").write_bytes(first["b_labeled.ply"][:-1])
    (out / "c.json").unlink()
    (out / ".batch" / "d.json").write_text("[1, 2")
    assert run_inline(maps, out, values) == all_maps(SEGMENTED)
    again = contents(out)
    assert {name for name in first if first[name] != again[name]} == {"a.json", "a_labeled.ply"}


@pytest.mark.slow
def test_another_vocabulary_does_all_maps_again(tmp_path, maps, values):
    words = tmp_path / "words.yaml"
    values = {**values, "vocabulary_file": str(words)}
    words.write_text("labels: [chair, table]")
    assert run_inline(maps, tmp_path / "out", values) == all_maps(SEGMENTED)
    words.write_text("labels: [zebra]")
    assert run_inline(maps, tmp_path / "out", values) == all_maps(SEGMENTED)
    labels = {item["label"] for name in NAMES for item in json.loads((tmp_path / "out" / f"{name}.json").read_text())}
    assert labels == {"zebra"}


def test_the_digest_covers_all_inputs_of_a_result(tmp_path, values, tiny_model):
    (tmp_path / "texts.json").write_text('{"chair": []}')
    config = Config().with_values(values)

    def digest(config=config, **more):
        return task_digest(Task(config, tmp_path, **more).absolute())

    digests = [
        digest(),
        digest(up="-y"),
        digest(pictures=False),
        digest(scenes=True),
        digest(texts=tmp_path / "texts.json"),
    ]
    changes = {"nms_iou": 0.5, "roi": (0.0, 0.0, 0.0, 1.0, 1.0, 1.0), "vocabulary": ("lamp",), "precision": "float32"}
    digests += [digest(config.with_values({name: value})) for name, value in changes.items()]
    shutil.copy(values["checkpoint"], tmp_path / "moved.safetensors")
    moved = {"checkpoint": str(tmp_path / "moved.safetensors"), "cache_dir": str(tmp_path / "elsewhere")}
    assert digest(config.with_values(moved)) == digests[0], "the digest must not depend on paths"
    other = tiny_model(seed=1, text_channels=384)
    save_checkpoint(values["checkpoint"], other, DEMO_TEXT_MODEL, Similarity(True, 20.0))
    (tmp_path / "texts.json").write_text('{"lamp": []}')
    digests += [digest(), digest(texts=tmp_path / "texts.json")]
    assert len(set(digests)) == len(digests)


@pytest.mark.slow
def test_a_kill_while_results_are_moved_leaves_no_valid_record(tmp_path, maps, values, monkeypatch):
    out = tmp_path / "out"
    run_inline(maps, out, values)
    before, moved = contents(out), []

    def replace_once(source, target, replace=os.replace):
        moved.append(target)
        if len(moved) == 2:
            raise KeyboardInterrupt
        return replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace_once)
        with pytest.raises(KeyboardInterrupt):
            run_inline(maps, out, {**values, "map_id": "other"})  # files of the same sizes
    assert run_inline(maps, out, values) == {**all_maps(UNCHANGED), "a": SEGMENTED}
    assert contents(out) == before


@pytest.mark.slow
def test_results_that_are_no_longer_requested_are_removed(tmp_path, maps, values):
    out, path = tmp_path / "out", str(maps / "a.ply")
    for wanted in (True, False):
        task = Task(Config().with_values(values), out, pictures=wanted, scenes=wanted).absolute()
        list(segment_files([path], task, [InlineWorker(MapSegmenter(task))]))
        for suffix in (".png", ".safetensors"):
            assert any(name.endswith(suffix) for name in contents(out)) == wanted


@pytest.mark.process
def test_a_killed_run_can_be_continued(tmp_path, maps, values, capsys):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "spaceformer_ros.cli", *command_line(maps, out, values)]
    run = subprocess.Popen(command, cwd=ROOT)
    wait_until(lambda: list(out.glob(".batch/*.json")), run)
    (worker,) = [pid for pid in children(run.pid) if b"spawn_main" in command_of(pid)]
    run.send_signal(signal.SIGKILL)
    run.wait()
    wait_until(lambda: not command_of(worker))  # it must not stay behind with the model
    done = {path.stem for path in out.glob(".batch/*.json")}
    (out / ".batch" / "left").mkdir(exist_ok=True)  # as a worker killed while writing leaves it
    with pytest.raises(SystemExit) as ended:
        main(command_line(maps, out, values))
    assert ended.value.code == 1
    printed = capsys.readouterr()
    assert f"{4 - len(done)} segmented, {len(done)} unchanged, 1 failed of 5 maps" in printed.out
    assert "1 of 5 maps failed:\n" in printed.err
    assert "bad.ply: holds" in printed.err
    run_inline(maps, tmp_path / "whole", values)
    assert contents(out) == contents(tmp_path / "whole")
    assert not (out / ".batch" / "left").exists()


@pytest.mark.process
def test_two_jobs_of_the_installed_script_give_the_results_of_one(tmp_path, maps, values):
    """Jobs are processes that import the script again: it must start nothing then."""
    (maps / "bad.ply").unlink()
    command = [ROOT / "scripts" / "spaceformer", *command_line(maps, tmp_path / "two", values, "--jobs", "2")]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert "4 segmented, 0 unchanged, 0 failed of 4 maps" in run.stdout
    run_inline(maps, tmp_path / "one", values)
    assert contents(tmp_path / "two") == contents(tmp_path / "one")
    assert run_inline(maps, tmp_path / "two", values) == dict.fromkeys(NAMES, UNCHANGED)


def run_fragile(workers):
    """Dict path -> answer for files of which one ends its worker."""
    answers = dict(distribute(["a.ply", "killer.ply", "b.ply", "c.ply", "d.ply"], workers))
    lost = answers.pop("killer.ply")
    assert isinstance(lost, WorkerLost)
    assert "fewer --jobs" in str(lost)
    assert {path: name for path, (name, _) in answers.items()} == {f"{name}.ply": name for name in NAMES}
    return {pid for _, pid in answers.values()}


@pytest.mark.process
def test_a_dead_worker_costs_one_file():
    pids = run_fragile([ProcessWorker(FragileWorker)])
    assert len(pids) == 2  # before and after
    wait_until(lambda: not any(map(command_of, pids)))


@pytest.mark.process
def test_workers_that_cannot_start_end_the_batch():
    with pytest.raises(WorkerLost, match="no worker can start"):
        list(distribute([f"{name}.ply" for name in NAMES], [ProcessWorker(NoWorker)]))


def test_workers_are_closed_when_the_caller_stops():
    worker = InlineWorker(FragileWorker())
    answers = distribute(["a.ply", "b.ply"], [worker])
    next(answers)
    answers.close()
    assert worker.closed


def test_threads_are_divided(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert sorted(batch.divide_threads(3)) == [2, 3, 3]
    assert batch.divide_threads(16) == [1] * 16
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert batch.divide_threads(3) == [0, 0, 0]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["{maps}/../a.ply"], "have the same result file"),
        (["{maps}/a_labeled.ply", "--out", "{maps}"], "would overwrite"),
        pytest.param(["--set", "checkpoint=nowhere.ckpt"], "'nowhere.ckpt': no such file", marks=pytest.mark.process),
        (["--set", "vocabulary_file=nowhere.yaml"], "vocabulary_file: there is no file"),
        (["--texts", "nowhere.json"], "there is no file nowhere.json"),
        (["--ray", "auto"], "pip install 'ray>=2.60,<3'"),
    ],
)
def test_invalid_arguments_end_the_batch_with_one_sentence(
    request, tmp_path, maps, values, capsys, monkeypatch, more, words
):
    if not request.node.get_closest_marker("process") and "--ray" not in more:  # a worker like any other
        monkeypatch.setattr(segment, "make_workers", lambda task, *_: [InlineWorker(MapSegmenter(task))])
    monkeypatch.setitem(sys.modules, "ray", None)  # as where it is not installed
    shutil.copy(maps / "a.ply", tmp_path / "a.ply")
    shutil.copy(maps / "a.ply", maps / "a_labeled.ply")
    arguments = command_line(maps, tmp_path / "out", values)
    more = [part.format(maps=maps) for part in more]
    with pytest.raises(SystemExit) as ended:
        main(
            [
                *arguments[:2],
                *(more if more[0][0] != "-" else []),
                *arguments[2:],
                *(more if more[0][0] == "-" else more[1:]),
            ]
        )
    assert ended.value.code == 1
    assert words in capsys.readouterr().err


def test_two_runs_do_not_write_into_one_folder(tmp_path, maps, values):
    task = Task(Config().with_values(values), tmp_path / "out").absolute()
    first = segment_files([str(maps / "bad.ply")], task, [InlineWorker(MapSegmenter(task))])
    next(first)
    with pytest.raises(SpaceformerError, match="another run is writing into"):
        next(segment_files([str(maps / "a.ply")], task, [InlineWorker(MapSegmenter(task))]))
    first.close()


def test_results_of_an_earlier_run_beside_their_maps_are_no_maps(tmp_path):
    """`spaceformer segment maps --out maps` can be continued."""
    for name in ("a.ply", "b.pcd", "a_labeled.ply", "a_heat_3.ply", "other_labeled.ply"):
        (tmp_path / name).touch()
    assert [pathlib.Path(path).name for path in cloud_files([str(tmp_path)])] == ["a.ply", "b.pcd", "other_labeled.ply"]


def test_a_missing_file_of_a_batch_is_named_once(tmp_path, maps, values):
    (maps / "e.ply").symlink_to("nowhere")
    report = MapSegmenter(Task(Config().with_values(values), tmp_path).absolute()).run(str(maps / "e.ply"))
    assert (report.status, report.reason) == (FAILED, "cannot be read: No such file or directory")


def test_a_folder_without_clouds_is_an_error(tmp_path):
    with pytest.raises(SpaceformerError, match="no file with one of the suffixes"):
        cloud_files([str(tmp_path)])


@pytest.fixture
def local_ray(monkeypatch):
    """Ray on this machine, on the loopback interface, with its files in a folder of its own."""
    folder = tempfile.mkdtemp(prefix="ray")  # a short path: Ray's sockets lie below it
    there = os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(ROOT), str(ROOT / "test")])
    values = {"RAY_TMPDIR": folder, "RAY_AUTH_MODE": "disabled", "PYTHONPATH": there}
    for name, value in {**values, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}.items():
        monkeypatch.setenv(name, value)  # before the import: Ray reads some only then
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'ray>=2.60,<3'")
    try:
        yield ray
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.process
def test_two_workers_on_ray(local_ray, tmp_path, maps, values, capsys):
    with pytest.raises(SystemExit) as ended:
        main(command_line(maps, tmp_path / "ray", values, "--ray", "local", "--jobs", "2"))
    assert ended.value.code == 1
    assert [node["NodeManagerAddress"] for node in local_ray.nodes()] == ["127.0.0.1"]
    printed = capsys.readouterr()
    assert "4 segmented, 0 unchanged, 1 failed of 5 maps" in printed.out
    assert "bad.ply: holds" in printed.err
    run_inline(maps, tmp_path / "one", values)
    assert contents(tmp_path / "ray") == contents(tmp_path / "one")
    assert run_inline(maps, tmp_path / "ray", values) == all_maps(UNCHANGED)
    assert len(run_fragile([RayWorker(FragileWorker)])) == 2
    with pytest.raises(WorkerLost, match=r"no worker can start.*ImportError: there is nothing to work with"):
        list(distribute([f"{name}.ply" for name in NAMES], [RayWorker(NoWorker)]))


def wait_until(condition, run=None):
    """Wait for a condition; fail after three minutes, or when `run` ended without it."""
    end = time.monotonic() + 180
    while not condition():
        assert time.monotonic() < end, "it did not happen within three minutes"
        assert run is None or run.poll() is None, "the run ended first"
        time.sleep(0.02)


def children(pid):
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_of(pid):
    """The command line of a process, empty where it ended."""
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
