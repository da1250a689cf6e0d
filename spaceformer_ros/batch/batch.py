"""Segment many files: done ones are skipped, bad ones reported, and a run that was killed goes on where it was.

A map counts as done while its record, `<out>/.batch/<stem>.json`, names the SHA-256 of its file and of everything else
that decides the result, and the files that it lists are there in full. Results are written beside and moved into
place; the record is removed before and written after that, so that no moment leaves a mixed result that counts.
"""

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
from dataclasses import dataclass

from .. import SpaceformerError, __version__
from ..clouds.files import READERS, read_cloud
from ..config import Config, all_settings
from ..disk.hashing import file_sha256
from ..disk.paths import cache_folder
from ..pipeline import build_pipeline
from ..scene.scene import SceneStore
from ..timing import Stopwatch
from ..words.vocabulary_file import read_vocabulary_file
from .results import write_results
from .workers import share

WORK = ".batch"  # folder of records, of results that are being written, and of the lock
# Settings that say where something lies, not what it is: its content counts instead.
PLACES = ("cache_dir", "offline", "warm_up", "checkpoint", "text_model", "vocabulary_file")
SEGMENTED, UNCHANGED, FAILED, UNUSABLE = "segmented", "unchanged", "failed", "unusable"


@dataclass(frozen=True)
class Task:
    """What is asked of every file. Paths are absolute: workers may stand in other folders.

    out: folder of the results; up: axis of the files that points up; texts: JSON file whose keys are texts, or "".
    """

    config: Config
    out: pathlib.Path
    up: str = "z"
    pictures: bool = True
    texts: str = ""

    def __post_init__(self):
        object.__setattr__(self, "config", _with_absolute_paths(self.config))
        object.__setattr__(self, "out", pathlib.Path(self.out).absolute())
        object.__setattr__(self, "texts", str(pathlib.Path(self.texts).absolute()) if self.texts else "")


@dataclass(frozen=True)
class Report:
    """How one file went: SEGMENTED, UNCHANGED (done before), FAILED, or UNUSABLE: no file can be done, for a reason."""

    path: str
    status: str
    reason: str = ""
    objects: int = 0


class Unusable(SpaceformerError):
    """Model, vocabulary or texts cannot be loaded: every file would fail for the same reason."""


def _with_absolute_paths(config):
    values, given = {}, {"checkpoint": config.model.checkpoint, "text_model": config.model.text_model}
    given.update(cache_dir=config.model.cache_dir, vocabulary_file=config.vocabulary.vocabulary_file)
    for name, value in given.items():
        path = pathlib.Path(value).expanduser()
        if value and (path.exists() or name == "cache_dir"):  # "demo" and names of hub models stay
            values[name] = str(path.absolute())
    return config.with_values(values)


def cloud_files(arguments):
    """Absolute paths (str) of cloud files, folders replaced by the cloud files in them. Raises SpaceformerError."""
    paths = []
    for path in map(pathlib.Path, arguments):
        inside = sorted(file for file in path.iterdir() if file.suffix.lower() in READERS) if path.is_dir() else [path]
        paths += [str(file.absolute()) for file in inside]
    if not paths:
        raise SpaceformerError(f"{', '.join(arguments)}: holds no file with a suffix of {', '.join(READERS)}")
    return list(dict.fromkeys(paths))


def segment_files(paths, task, workers):
    """Segment files with workers of `executors`. Yields a Report per file as they are done.

    Raises SpaceformerError where results would overwrite one another or a map, where another run writes into the same
    folder, and where no file can be done.
    """
    check_names(paths, task.out)
    with _sole_writer(task.out):
        for path, answer in share(paths, workers):
            if isinstance(answer, SpaceformerError):
                answer = Report(path, FAILED, str(answer))
            if answer.status == UNUSABLE:
                raise SpaceformerError(answer.reason)
            yield answer


def check_names(paths, out):
    """Raise SpaceformerError where two files would get the same results, or results would overwrite a file."""
    by_stem, given = {}, set(paths)
    for path in paths:
        other = by_stem.setdefault(pathlib.Path(path).stem, path)
        if other != path:
            raise SpaceformerError(f"{other} and {path} would be written under the same name: give each an --out")
        if (target := str(pathlib.Path(out) / f"{pathlib.Path(path).stem}_labeled.ply")) in given:
            raise SpaceformerError(f"the result of {path} would overwrite {target}: use another --out")


@contextlib.contextmanager
def _sole_writer(out):
    """Hold the folder's lock, which ends with the process however it ends; clear what a killed run left."""
    work = pathlib.Path(out) / WORK
    try:
        work.mkdir(parents=True, exist_ok=True)
        lock = open(work / "lock", "a")  # noqa: SIM115 - closed below
    except OSError as error:
        raise SpaceformerError(f"--out {out} cannot be written to: {error}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SpaceformerError(f"another run is writing into {out}: wait for it, or use another --out") from error
        for left in work.iterdir():
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
        yield


class MapSegmenter:
    """A worker of `executors`: segments one file after the other with one model, loaded when first needed."""

    def __init__(self, task, threads=0):
        """threads: CPU threads of the network; 0: as many as torch takes."""
        self.task, self._threads = task, threads

    def run(self, path):
        """The Report of one file; nothing is raised."""
        try:
            return self._segment(path)
        except Unusable as error:
            return Report(path, UNUSABLE, str(error))
        except SpaceformerError as error:
            return Report(path, FAILED, str(error).removeprefix(f"{path}: "))
        except Exception as error:  # whatever a file does, the others are to be done
            return Report(path, FAILED, f"{type(error).__name__}: {error}")

    def _segment(self, path):
        config, stem = self.task.config, pathlib.Path(path).stem
        digests = {"input": file_sha256(path), "task": self._task_digest}
        if is_done(self.task.out, stem, digests):
            return Report(path, UNCHANGED)
        cloud = read_cloud(path, config.input.allow_gray).cloud.upright(self.task.up)
        pipeline = self._pipeline
        pipeline.clear()  # this is another map
        pipeline.store = SceneStore()  # its ids begin again
        scene = pipeline.process(cloud, Stopwatch()).scene
        shown = scene.published(config.postprocess.score_threshold)
        with _published_together(self.task.out, stem, digests) as folder:
            write_results(folder, stem, pipeline, scene, shown, self.task.pictures, self.task.texts)
        return Report(path, SEGMENTED, objects=len(shown))

    @functools.cached_property
    def _task_digest(self):
        try:
            return task_digest(self.task)
        except SpaceformerError as error:
            raise Unusable(str(error)) from error

    @functools.cached_property
    def _pipeline(self):
        import torch

        if self._threads:
            torch.set_num_threads(self._threads)
        try:
            return build_pipeline(self.task.config)
        except SpaceformerError as error:
            raise Unusable(str(error)) from error


def task_digest(task):
    """SHA-256 of all that decides a result besides the map: settings and the content of the files that they name."""
    from ..weights.checkpoint import checkpoint_file
    from ..weights.download import released_file

    config = task.config
    names = [(group, info.name) for group, info in all_settings() if info.name not in PLACES]
    facts = {
        "version": __version__,
        "settings": {name: getattr(getattr(config, group), name) for group, name in names},
        "checkpoint": file_sha256(checkpoint_file(config.model.checkpoint, released_file(cache_folder(config.model)))),
        "text_model": _content(config.model.text_model),
        "vocabulary": read_vocabulary_file(config.vocabulary.vocabulary_file),
        "texts": file_sha256(task.texts) if task.texts else "",
        "up": task.up,
        "pictures": task.pictures,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _content(text_model):
    """The name of a text model, or what lies in its folder."""
    folder = pathlib.Path(text_model)
    if not text_model or not folder.is_dir():
        return text_model
    return {file.name: file_sha256(file) for file in sorted(folder.iterdir()) if file.is_file()}


def is_done(out, stem, digests):
    """Whether the results of a map are there in full and were made with these digests."""
    record = _read_record(out, stem)
    if {key: record.get(key) for key in digests} != digests:
        return False
    return all(_size(pathlib.Path(out) / name) == size for name, size in record["files"].items())


def _size(path):
    try:
        return path.stat().st_size
    except OSError:
        return None


def _record_path(out, stem):
    return pathlib.Path(out) / WORK / f"{stem}.json"


def _read_record(out, stem):
    try:
        record = json.loads(_record_path(out, stem).read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) and isinstance(record.get("files"), dict) else {}


@contextlib.contextmanager
def _published_together(out, stem, digests):
    """A folder to write into; what lies there afterwards takes the place of the map's older results."""
    out, record = pathlib.Path(out), _record_path(out, stem)
    older = _read_record(out, stem).get("files", {})
    with tempfile.TemporaryDirectory(dir=out / WORK) as folder:
        yield pathlib.Path(folder)
        files = sorted(pathlib.Path(folder).iterdir())
        sizes = {file.name: file.stat().st_size for file in files}
        record.unlink(missing_ok=True)
        for file in files:
            file.replace(out / file.name)
        for name in set(older) - set(sizes):
            (out / pathlib.Path(name).name).unlink(missing_ok=True)
        draft = pathlib.Path(folder) / "record.json"
        draft.write_text(json.dumps({**digests, "files": sizes}))
        draft.replace(record)


def divide_threads(jobs):
    """CPU threads for each of so many processes; 0 each where OMP_NUM_THREADS says what a process may have."""
    if "OMP_NUM_THREADS" in os.environ:
        return [0] * jobs
    cpus = len(os.sched_getaffinity(0))
    return [max(1, (cpus + job) // jobs) for job in range(jobs)]
