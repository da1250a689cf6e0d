# SPDX-License-Identifier: Apache-2.0
"""Records of the finished maps of a batch, one per map, written after its results.

`<out>/.batch/<stem>.json` contains the SHA-256 of the map's file and of everything else that determines the result
(`task_digest`), and the names and sizes of the result files. Results are written to a temporary folder and then moved
into place. The record is removed before the move and written after it, so results of a killed run never count as done.
"""

import contextlib
import fcntl
import hashlib
import json
import pathlib
import shutil
import tempfile

from .. import SpaceformerError, __version__
from ..config import all_settings
from ..disk.atomic import move_file, replace_file
from ..disk.hashing import file_sha256
from ..disk.paths import cache_folder
from ..words.vocabulary_file import read_vocabulary_file

WORK = ".batch"  # folder of records, of results that are being written, and of the lock
# Settings that are paths: the digest covers the content of these files instead.
LOCATIONS = ("cache_dir", "offline", "warm_up", "checkpoint", "text_model", "vocabulary_file")


@contextlib.contextmanager
def sole_writer(out):
    """Context manager: hold the lock of a results folder and remove the leftovers of killed runs.

    The lock is released when the process ends, even if it is killed. Raises SpaceformerError if another run holds it.
    """
    work = pathlib.Path(out) / WORK
    try:
        work.mkdir(parents=True, exist_ok=True)
        lock = open(work / "lock", "a")  # noqa: SIM115 - closed below
    except OSError as error:
        raise SpaceformerError(f"--out {out} cannot be written to: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SpaceformerError(f"another run is writing into {out}: wait for it, or use another --out") from error
        for leftover in work.iterdir():
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
        yield


def task_digest(task):
    """SHA-256 of everything but the map that determines a result: settings, and the content of the files they name."""
    from ..weights.checkpoint import checkpoint_file
    from ..weights.download import released_file

    config = task.config
    names = [(group, info.name) for group, info in all_settings() if info.name not in LOCATIONS]
    facts = {
        "version": __version__,
        "settings": {name: getattr(getattr(config, group), name) for group, name in names},
        "checkpoint": file_sha256(checkpoint_file(config.model.checkpoint, released_file(cache_folder(config.model)))),
        "text_model": _text_model_content(config.model.text_model),
        "vocabulary": read_vocabulary_file(config.vocabulary.vocabulary_file),
        "texts": file_sha256(task.texts) if task.texts else "",
        "up": task.up,
        "pictures": task.pictures,
        "scenes": task.scenes,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _text_model_content(text_model):
    """The name of a text model, or the hashes of the files in its folder."""
    folder = pathlib.Path(text_model)
    if not text_model or not folder.is_dir():
        return text_model
    return {file.name: file_sha256(file) for file in sorted(folder.iterdir()) if file.is_file()}


def is_done(out, stem, digests):
    """Whether the results of a map are complete and were made with these digests."""
    record = _read_record(out, stem)
    if {key: record.get(key) for key in digests} != digests:
        return False
    return all(_size(pathlib.Path(out) / name) == size for name, size in record["files"].items())


@contextlib.contextmanager
def published_together(out, stem, digests):
    """Context manager: a folder to write results into; at the end they replace the map's older results together."""
    out, record = pathlib.Path(out), _record_path(out, stem)
    older = _read_record(out, stem).get("files", {})
    with tempfile.TemporaryDirectory(dir=out / WORK) as folder:
        yield pathlib.Path(folder)
        files = sorted(pathlib.Path(folder).iterdir())
        sizes = {file.name: file.stat().st_size for file in files}
        record.unlink(missing_ok=True)
        for file in files:
            move_file(file, out / file.name)
        for name in set(older) - set(sizes):
            (out / pathlib.Path(name).name).unlink(missing_ok=True)
        replace_file(record, [json.dumps({**digests, "files": sizes}).encode()])


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
