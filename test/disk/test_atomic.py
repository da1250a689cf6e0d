# SPDX-License-Identifier: Apache-2.0
import errno
import fcntl
import os
import signal
import threading
from unittest.mock import Mock

import numpy as np
import pytest
from helpers.fakes import full_disk

from spaceformer_ros import StorageError
from spaceformer_ros.disk.atomic import keep_file, move_file, replace_array, replace_file, replacing

OLD, NEW = b"old " * 1000, b"new " * 1000


@pytest.fixture
def path(tmp_path):
    (tmp_path / "file").write_bytes(OLD)
    return tmp_path / "file"


def only(path):
    """The content of a file; fails unless it is alone in its folder."""
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    return path.read_bytes()


def write_in_place(path, content):
    """As `replace_file`, through `replacing`."""
    with replacing(path) as partial:
        partial.write_bytes(content)


def replace(path, content):
    replace_file(path, [content[:7], content[7:]])


WRITERS = [replace, write_in_place]


@pytest.mark.parametrize("write", WRITERS)
def test_the_new_content_takes_the_place_of_the_old(path, write):
    write(path, NEW)
    assert only(path) == NEW


@pytest.mark.parametrize("write", WRITERS)
def test_a_full_disk_leaves_the_old_file_and_nothing_else(path, write):
    with full_disk(limit=100), pytest.raises(OSError, match="File too large"):
        write(path, NEW)
    assert only(path) == OLD


def test_arrays_are_replaced_as_a_whole_and_say_why_they_cannot_be(path):
    replace_array(path, np.arange(3))
    assert np.load(path).tolist() == [0, 1, 2]
    with full_disk(limit=200), pytest.raises(OSError, match="File too large"):
        replace_array(path, np.arange(100))
    assert np.load(path).tolist() == [0, 1, 2]


def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(path):
    def write_and_fail():
        with replacing(path) as partial:
            partial.write_bytes(NEW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert only(path) == OLD


def killed_while_writing(write):
    """Run `write(pause)` in a forked process and kill it while it is in `pause`."""
    reader, writer = os.pipe()

    def pause():
        os.write(writer, b".")
        signal.pause()

    process = os.fork()
    if process == 0:
        try:
            write(pause)
        finally:
            os._exit(1)
    os.close(writer)
    assert os.read(reader, 1) == b"."
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    os.close(reader)


def test_a_kill_leaves_the_old_file_and_the_next_writer_its_own(path):
    def write(pause):
        replace_file(path, (buffer if buffer is not None else pause() for buffer in (b"x" * 9000, None)))

    killed_while_writing(write)
    assert path.read_bytes() == OLD
    replace_file(path, [NEW])
    assert only(path) == NEW


def test_a_kill_in_replacing_leaves_the_old_file(path):
    def write(pause):
        with replacing(path) as partial:
            partial.write_bytes(NEW)
            pause()

    killed_while_writing(write)
    assert path.read_bytes() == OLD
    write_in_place(path, NEW)
    assert only(path) == NEW


def test_two_writers_at_the_same_time_both_write_whole_files(path):
    inside, go_on = threading.Event(), threading.Event()

    def slowly():
        yield NEW[:100]
        inside.set()
        assert go_on.wait(30)
        yield NEW[100:]

    first = threading.Thread(target=replace_file, args=(path, slowly()))
    first.start()
    assert inside.wait(30)
    replace_file(path, [b"second"])
    assert path.read_bytes() == b"second"
    go_on.set()
    first.join()
    assert only(path) == NEW


def test_many_writers_leave_the_file_of_one_of_them(path):
    def write(number):
        for _ in range(20):
            replace_file(path, [bytes([number]) * 5000] * 4)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert only(path) in {bytes([number]) * 20_000 for number in range(4)}


@pytest.mark.parametrize("write", WRITERS)
def test_only_leftovers_of_killed_writers_are_removed(path, write):
    abandoned = [path.with_name(f".{path.name}.{name}.part") for name in ("1234", "0a1b2c3d")]
    others = path.with_name(".other.bin.1.part"), path.with_name(f".{path.name}.bak")
    for entry in (*abandoned, *others):
        entry.write_bytes(b"x")
    write(path, NEW)
    assert sorted(path.parent.iterdir()) == sorted((path, *others))


@pytest.mark.parametrize("write", WRITERS)
def test_a_locked_partial_file_is_kept_and_does_not_block_writers(path, write):
    held = path.with_name(f".{path.name}.1.part")
    with open(held, "w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        write(path, NEW)
        assert held.exists()
    assert path.read_bytes() == NEW


def test_a_link_among_the_partial_files_is_not_followed(path, tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(OLD)
    (tmp_path / ".file.1.part").symlink_to(victim)
    replace_file(path, [NEW])
    assert victim.read_bytes() == OLD


@pytest.mark.parametrize("error", [errno.ENOLCK, errno.ENOTSUP])
def test_file_systems_without_locks(path, monkeypatch, error):
    def fail(*_):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(fcntl, "flock", fail)
    replace_file(path, [NEW])
    assert path.read_bytes() == NEW


def test_missing_folders_are_created_and_links_are_refused_on_demand(tmp_path):
    replace_file(tmp_path / "a" / "b" / "file", [b"1"], follow_links=False)
    (tmp_path / "link").symlink_to("a")
    with pytest.raises(NotADirectoryError):
        replace_file(tmp_path / "link" / "b" / "file", [b"2"], follow_links=False)
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"1"
    replace_file(tmp_path / "link" / "b" / "file", [b"2"])
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"2"


@pytest.mark.parametrize("write", [*WRITERS, lambda path, content: move_file(new_file(path, content), path)])
def test_content_is_on_the_disk_before_its_name_changes(path, monkeypatch, write):
    done, fsync, rename = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: done.append(kind(descriptor)) or fsync(descriptor))
    monkeypatch.setattr(os, "replace", lambda *paths, **folders: done.append("rename") or rename(*paths, **folders))
    write(path, NEW)
    assert done[:2] == ["file", "rename"]


def new_file(path, content):
    other = path.with_name("other")
    other.write_bytes(content)
    return other


def kind(descriptor):
    return "folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file"


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_is_kept_under_another_name(path, monkeypatch, has_links):
    kept = path.with_name("kept")
    kept.write_bytes(b"an older one")
    if not has_links:
        monkeypatch.setattr(os, "link", Mock(side_effect=PermissionError(errno.EPERM, "no links on this disk")))
    keep_file(path, kept)
    replace(path, NEW)
    assert (kept.read_bytes(), path.read_bytes()) == (OLD, NEW)
    assert len(list(path.parent.iterdir())) == 2
    with pytest.raises(StorageError, match="there is no file"):
        keep_file(path.with_name("nothing"), kept)
