"""A file is whole or absent: exceptions, kills, readers, permissions, links, folders."""

import errno
import hashlib
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from processes import unprivileged

from aotgan import InputError
from aotgan.files import remove_leftovers, sha256_of, write_atomically
from aotgan.training.log import LossLog


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def umask():
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("data", "content"),
    [
        (b"\x00\r\n\xff", b"\x00\r\n\xff"),
        ("Fr\u00e9chet\n", "Fr\u00e9chet\n".encode()),
        (lambda file: file.write(b"by a function"), b"by a function"),
        (b"", b""),
    ],
    ids=["bytes", "text", "function", "empty"],
)
def test_content_arrives_and_nothing_else(data, content, tmp_path):
    path = tmp_path / "new" / "folder" / "x.bin"
    for _ in range(2):  # a new file, then a replaced one
        assert write_atomically(path, data) == path
        assert path.read_bytes() == content
        assert names(path.parent) == ["x.bin"]
    assert write_atomically(str(path), data) == path


def test_a_function_may_seek_and_read_back(tmp_path):
    def patch(file):
        file.write(b"0123456789")
        file.seek(2)
        assert file.read(2) == b"23"
        file.seek(0)
        file.write(b"ab")

    assert write_atomically(tmp_path / "x", patch).read_bytes() == b"ab23456789"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit, OSError])
def test_an_exception_while_writing_leaves_the_old_file_alone(error, tmp_path):
    path = write_atomically(tmp_path / "x", "old")

    def fail(file):
        file.write(b"half of the ne")
        raise error("stop")

    with pytest.raises(error, match="stop"):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    with pytest.raises(error, match="stop"):
        write_atomically(tmp_path / "y", fail)
    assert names(tmp_path) == ["x"]


def test_a_failing_replacement_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = write_atomically(tmp_path / "x", "old")

    def fail(*_):
        raise OSError("disk gone")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk gone"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["x"]


def test_text_that_utf_8_cannot_hold_leaves_the_old_file_alone(tmp_path):
    path = write_atomically(tmp_path / "x", "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\ud800")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["x"]


KILLED = """
import os, signal, sys
from aotgan.files import write_atomically

def half(file):
    file.write(b"n" * 500_000)
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)

write_atomically(sys.argv[1], half)
"""


@pytest.mark.parametrize("old", [b"old", None], ids=["replaced", "new"])
def test_a_kill_while_writing_leaves_the_old_file_or_none(old, tmp_path):
    path = tmp_path / "state.json"
    if old is not None:
        path.write_bytes(old)
    root = Path(__file__).parents[1]
    ended = subprocess.run([sys.executable, "-c", KILLED, path], cwd=root, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert (path.read_bytes() if path.exists() else None) == old
    assert list(tmp_path.glob("*.json")) == [path] * (old is not None)  # what is left is no record
    others = [".hidden", f".{path.name}.txt", f"{path.name}.0123456789abcdef"]
    for name in others:
        (tmp_path / name).touch()
    write_atomically(path, b"next")
    assert len(names(tmp_path)) == 2 + len(others), "what the kill left lies about"
    remove_leftovers(tmp_path)
    assert path.read_bytes() == b"next" and names(tmp_path) == sorted([path.name, *others])


def test_content_is_on_the_disk_before_it_gets_the_name(tmp_path, monkeypatch):
    calls = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (calls.append("fsync"), sync(handle)))
    monkeypatch.setattr(os, "replace", lambda *paths: (calls.append("replace"), replace(*paths)))
    write_atomically(tmp_path / "x", "new")
    assert calls == ["fsync", "replace"]


def test_readers_see_whole_files_while_writers_compete(tmp_path):
    path = write_atomically(tmp_path / "x", b"0" * 200_000)

    def write(digit):
        for _ in range(20):
            write_atomically(path, digit * 200_000)

    writers = [threading.Thread(target=write, args=(digit,)) for digit in (b"1", b"2", b"3")]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        content = path.read_bytes()
        assert len(content) == 200_000 and len(set(content)) == 1
    assert names(tmp_path) == ["x"]


def test_permissions_are_the_umasks_for_a_new_file(tmp_path, umask):
    for mask, mode in ((0o022, 0o644), (0o077, 0o600), (0o002, 0o664)):
        umask(mask)
        assert mode_of(write_atomically(tmp_path / str(mask), "x")) == mode


def test_permissions_of_a_replaced_file_stay(tmp_path, umask):
    path = write_atomically(tmp_path / "x", "old")
    for mode in (0o600, 0o640, 0o755):
        path.chmod(mode)
        assert mode_of(write_atomically(path, "new")) == mode


def test_a_link_stays_and_its_file_is_replaced(tmp_path):
    (tmp_path / "disk").mkdir()
    target = write_atomically(tmp_path / "disk" / "x", "old")
    link = tmp_path / "link"
    link.symlink_to(target)
    assert write_atomically(link, "new") == link
    assert link.is_symlink() and target.read_text() == "new"
    assert names(tmp_path / "disk") == ["x"]


def test_a_read_only_folder_is_named(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    path = write_atomically(folder / "x", "old")
    folder.chmod(0o555)
    try:
        with unprivileged():
            for target in (path, folder / "y", folder / "deeper" / "y"):
                with pytest.raises(
                    InputError, match="Choose a folder that can be written"
                ) as error:
                    write_atomically(target, "new")
                assert str(target) in str(error.value) and "denied" in str(error.value)
    finally:
        folder.chmod(0o755)
    assert path.read_text() == "old"
    assert names(folder) == ["x"]


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    file = write_atomically(tmp_path / "x", "old")
    for path in (file / "y", file / "deeper" / "y"):
        with pytest.raises(InputError, match="cannot write .*Choose a folder"):
            write_atomically(path, "new")
    assert file.read_text() == "old"


def test_folders_and_devices_are_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(InputError, match="is a folder or a device. Give a file's path"):
            write_atomically(path, "new")
    assert not Path(os.devnull).is_file()


def test_a_link_to_itself_is_not_replaced(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match="loop: it is a link to itself. Remove it first"):
        write_atomically(tmp_path / "loop", "new")
    assert (tmp_path / "loop").is_symlink() and names(tmp_path) == ["loop"]
    with pytest.raises(InputError, match="Choose a folder"):
        write_atomically(tmp_path / "loop" / "x", "new")


def test_sha256(tmp_path):
    content = os.urandom(3_000_001)
    path = write_atomically(tmp_path / "x", content)
    assert sha256_of(path) == sha256_of(str(path)) == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_full_disk_is_one_kind_line_whatever_writes(tmp_path, wrapped):
    path = write_atomically(tmp_path / "x", "before")

    def write(file):
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            if wrapped:
                raise RuntimeError("a writer's own words") from error
            raise

    with pytest.raises(InputError, match=r"x could not be written .*kept. Make room on the disk"):
        write_atomically(path, write)
    assert path.read_text() == "before" and names(tmp_path) == ["x"]


def test_other_errors_of_a_writer_stay_its_own(tmp_path):
    def write(file):
        raise OSError(errno.ENOENT, "no such photograph")

    with pytest.raises(OSError, match="no such photograph"):
        write_atomically(tmp_path / "x", write)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_the_table_of_losses_says_it_as_well(tmp_path):
    (tmp_path / "log.csv").symlink_to("/dev/full")
    log = LossLog(tmp_path / "log.csv")
    log.rows.append({"step": 1.0})
    with pytest.raises(InputError, match=r"log.csv could not be written"):
        log._append({"step": 1.0})
