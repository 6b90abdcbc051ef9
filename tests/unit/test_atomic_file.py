"""A file is replaced whole or not at all, whoever writes, and whenever one is killed."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from kite import atomic_file


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("is_durable", [False, True])
def test_the_content_is_there_and_nothing_beside_it(tmp_path: Path, is_durable: bool) -> None:
    file = tmp_path / "f"
    for content in (b"first, and longer", b"second", b""):
        atomic_file.replace(file, content, is_durable=is_durable)
        assert file.read_bytes() == content
        assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_is_put_is_whole_or_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "f"
    (tmp_path / ".f.new").write_bytes(b"half of something long")
    for content in (b"first, and longer", b"second", b""):
        atomic_file.put(file, content, mode=0o640)
        assert file.read_bytes() == content
        assert mode(file) == 0o640
        assert list(tmp_path.iterdir()) == [file]
    other = tmp_path / "other"
    (tmp_path / ".f.new").symlink_to(other)
    atomic_file.put(file, b"x", mode=0o640)
    assert file.read_bytes() == b"x"
    assert list(tmp_path.iterdir()) == [file]


def test_a_disk_that_takes_a_part_has_taken_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "f"
    atomic_file.put(file, b"before", mode=0o600)
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:2]))
    with pytest.raises(OSError, match="space"):
        atomic_file.put(file, b"after", mode=0o600)
    assert file.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [file]


def test_a_new_file_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        atomic_file.replace(tmp_path / "new", b"x")
    finally:
        os.umask(before)
    assert mode(tmp_path / "new") == 0o640


def test_permissions_stay_unless_they_are_named(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.touch()
    file.chmod(0o751)
    atomic_file.replace(file, b"x")
    assert mode(file) == 0o751
    atomic_file.replace(file, b"x", mode=0o600)
    assert mode(file) == 0o600


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "f", tmp_path / "link"
    link.symlink_to(target)
    for content in (b"one", b"two"):
        atomic_file.replace(link, content)
        assert link.is_symlink()
        assert target.read_bytes() == content


def test_what_cannot_be_written_leaves_the_former_content(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.mkdir()  # nothing can take the place of a folder
    with pytest.raises(OSError, match="directory"):
        atomic_file.replace(file, b"x")
    assert list(tmp_path.iterdir()) == [file]


def test_the_draft_of_one_that_was_killed_is_taken_over(tmp_path: Path) -> None:
    draft = tmp_path / ".f.new"
    draft.write_bytes(b"half of something long")
    draft.chmod(0o644)
    atomic_file.replace(tmp_path / "f", b"x", mode=0o600)
    assert (tmp_path / "f").read_bytes() == b"x"
    assert mode(tmp_path / "f") == 0o600
    assert not draft.exists()


def test_a_link_in_the_place_of_the_draft_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / ".f.new").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic"):
        atomic_file.replace(tmp_path / "f", b"x")
    assert (tmp_path / "victim").read_bytes() == b"precious"


WRITER = (
    "import sys; from pathlib import Path; from kite import atomic_file\n"
    "for n in range(300):\n"
    "    atomic_file.replace(Path(sys.argv[1]), sys.argv[2].encode() * (1 + n % 7) * 5000)\n"
)


def test_two_writers_at_once_never_mix(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"")
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(file), word]) for word in "abc"]
    try:
        while any(writer.poll() is None for writer in writers):
            assert len(set(file.read_bytes())) <= 1
    finally:
        statuses = [writer.wait(60) for writer in writers]
    assert statuses == [0, 0, 0]
    assert list(tmp_path.iterdir()) == [file]
