# SPDX-License-Identifier: Apache-2.0
"""Segment many files: finished ones are skipped, bad ones reported, and a run that was killed can be continued."""

import functools
import os
import pathlib
from dataclasses import dataclass, replace

from .. import SpaceformerError
from ..clouds.files import MAP_SUFFIXES, clouds_in, read_cloud
from ..config import Config
from ..disk.hashing import file_sha256
from ..disk.paths import expand_user
from ..pipeline import build_pipeline
from .records import is_done, published_together, sole_writer, task_digest
from .results import write_results
from .workers import distribute

SEGMENTED, UNCHANGED, FAILED, UNUSABLE = "segmented", "unchanged", "failed", "unusable"


@dataclass(frozen=True)
class Task:
    """Settings of a batch, the same for every file.

    config: Config
    out: folder of the results
    up: axis of the files that points up, a key of `clouds.cloud.UPRIGHT`
    pictures: whether PNG files are written
    texts: JSON file whose keys are texts to answer, or ""
    scenes: whether scene files are written
    """

    config: Config
    out: pathlib.Path
    up: str = "z"
    pictures: bool = True
    texts: str = ""
    scenes: bool = False

    def absolute(self):
        """This task with absolute paths, because workers may run in other folders."""
        return replace(
            self,
            config=_with_absolute_paths(self.config),
            out=pathlib.Path(self.out).absolute(),
            texts=str(pathlib.Path(self.texts).absolute()) if self.texts else "",
        )


@dataclass(frozen=True)
class FileReport:
    """Result of one file.

    status: SEGMENTED, UNCHANGED (done before), FAILED, or UNUSABLE (no file of the batch can be processed)
    reason: why it failed
    objects: number of objects found
    """

    path: str
    status: str
    reason: str = ""
    objects: int = 0


class Unusable(SpaceformerError):
    """Model, vocabulary or texts cannot be loaded: every file would fail for the same reason."""


def _with_absolute_paths(config):
    paths = {
        "checkpoint": config.model.checkpoint,
        "text_model": config.model.text_model,
        "cache_dir": config.model.cache_dir,
        "vocabulary_file": config.vocabulary.vocabulary_file,
    }
    values = {}
    for name, value in paths.items():
        path = expand_user(value)
        if value and (path.exists() or name == "cache_dir"):  # "demo" and names of hub models are not paths
            values[name] = str(path.absolute())
    return config.with_values(values)


def cloud_files(arguments):
    """Absolute paths (str) of cloud files; folders stand for those in them (`clouds_in`). Raises SpaceformerError."""
    paths = []
    for path in map(pathlib.Path, arguments):
        paths += [str(file.absolute()) for file in (clouds_in(path) if path.is_dir() else [path])]
    if not paths:
        raise SpaceformerError(f"{', '.join(arguments)}: no file with one of the suffixes {', '.join(MAP_SUFFIXES)}")
    return list(dict.fromkeys(paths))


def segment_files(paths, task, workers):
    """Segment files with workers (see workers.py). Yields a FileReport per file, in order of completion.

    Raises SpaceformerError if results would overwrite each other or a map, if another run writes into the same folder,
    or if no file can be processed.
    """
    check_names(paths, task.out)
    with sole_writer(task.out):
        for path, answer in distribute(paths, workers):
            if isinstance(answer, SpaceformerError):
                answer = FileReport(path, FAILED, str(answer))
            if answer.status == UNUSABLE:
                raise SpaceformerError(answer.reason)
            yield answer


def check_names(paths, out):
    """Raise SpaceformerError if two files would get the same results, or results would overwrite a file."""
    by_stem, given = {}, set(paths)
    for path in paths:
        other = by_stem.setdefault(pathlib.Path(path).stem, path)
        if other != path:
            raise SpaceformerError(f"{other} and {path} have the same result file: use a different --out for each")
        if (target := str(pathlib.Path(out) / f"{pathlib.Path(path).stem}_labeled.ply")) in given:
            raise SpaceformerError(f"the result of {path} would overwrite {target}: use another --out")


class MapSegmenter:
    """A worker for `distribute`: segments files one after another with one model, which is loaded on first use."""

    def __init__(self, task, threads=0):
        """task: Task with absolute paths; threads: CPU threads of the network, 0: torch's default."""
        self.task, self._threads = task, threads

    def run(self, path):
        """The FileReport of one file; nothing is raised."""
        try:
            return self._segment(path)
        except Unusable as error:
            return FileReport(path, UNUSABLE, str(error))
        except SpaceformerError as error:
            return FileReport(path, FAILED, str(error).removeprefix(f"{path}: "))
        except Exception as error:  # one bad file must not stop the batch
            return FileReport(path, FAILED, f"{type(error).__name__}: {error}")

    def _segment(self, path):
        config, stem = self.task.config, pathlib.Path(path).stem
        digests = {"input": file_sha256(path), "task": self._task_digest}
        if is_done(self.task.out, stem, digests):
            return FileReport(path, UNCHANGED)
        cloud = read_cloud(path, config.input.allow_gray, config.input.input_scale).cloud.turned(self.task.up)
        pipeline = self._pipeline
        pipeline.reset()  # every file is a separate map
        scene = pipeline.process(cloud).scene
        shown = scene.published(config.postprocess)
        with published_together(self.task.out, stem, digests) as folder:
            options = self.task.pictures, self.task.texts, self.task.scenes
            write_results(folder, stem, pipeline, scene, shown, *options)
        return FileReport(path, SEGMENTED, objects=len(shown))

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


def divide_threads(jobs):
    """CPU threads of each of `jobs` processes; 0 each where OMP_NUM_THREADS already sets them."""
    if "OMP_NUM_THREADS" in os.environ:
        return [0] * jobs
    cpus = len(os.sched_getaffinity(0))
    return [max(1, (cpus + job) // jobs) for job in range(jobs)]
