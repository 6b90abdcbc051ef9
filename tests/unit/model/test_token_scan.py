"""A token is found wherever it was written down, by its digest alone."""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kite.model import token_scan
from kite.model.token_scan import TokenScan, runs
from kite.wire.token import digest

TOKEN = hashlib.sha256(b"one").hexdigest()  # the same in each worker
OTHER = hashlib.sha256(b"two").hexdigest()


@pytest.fixture
def scan() -> TokenScan:
    return TokenScan([digest(TOKEN)])


@pytest.mark.parametrize(
    "text",
    [
        TOKEN,
        TOKEN.upper(),
        f"Authorization: Bearer {TOKEN}\r\n",
        f'{{"token": "{TOKEN}"}}',
        f"?token={TOKEN}&x=1",
        f"{OTHER}{TOKEN}",
        f"{TOKEN}{OTHER}",
        f"0{TOKEN}f",
        "\0" * 100 + TOKEN,
    ],
)
def test_it_is_found_whatever_stands_around_it(scan: TokenScan, text: str) -> None:
    [leak] = scan.text(text.encode("latin-1"), "here")
    assert (leak.where, leak.digest) == ("here", digest(TOKEN))


@pytest.mark.parametrize("text", ["", OTHER, digest(TOKEN), TOKEN[:-1], TOKEN[1:], "g" + TOKEN[1:]])
def test_what_is_no_token_of_ours_is_none(scan: TokenScan, text: str) -> None:
    """Digests lie in files of the Registry's, and are meant to."""
    assert list(scan.text(text.encode(), "here")) == []


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_in_any_bytes(before: bytes, after: bytes) -> None:
    found = list(TokenScan([digest(TOKEN)]).text(before + TOKEN.encode() + after, "here"))
    assert [leak.digest for leak in found] == [digest(TOKEN)]


def test_files_also_compressed_ones_and_across_pieces(
    scan: TokenScan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_scan, "_PIECE", 100)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "plain").write_text("x" * 70 + TOKEN + "x" * 200)
    (tmp_path / "deep" / "er" / "old.log.1.gz").write_bytes(gzip.compress(f"a {TOKEN} b".encode()))
    (tmp_path / "clean").write_text(OTHER)
    (tmp_path / "torn.gz").write_bytes(gzip.compress(TOKEN.encode())[:-10])
    (tmp_path / "link").symlink_to(tmp_path / "plain")
    os.mkfifo(tmp_path / "pipe")  # which nobody writes to: reading it would never end
    (tmp_path / "allowed").write_text(TOKEN)
    found = {leak.where for leak in scan.folder(tmp_path, but=(tmp_path / "allowed",))}
    assert {Path(where).name for where in found} >= {"plain", "old.log.1.gz"}
    assert not {Path(where).name for where in found} & {"clean", "link", "pipe", "allowed"}


def test_arguments_and_environments_of_processes(scan: TokenScan) -> None:
    code = "import sys; print(1, flush=True); sys.stdin.read()"
    child = subprocess.Popen(
        [sys.executable, "-S", "-c", code, TOKEN],
        env={**os.environ, "LEAK": f"x{TOKEN}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with child:
        assert child.stdout is not None
        assert child.stdin is not None
        child.stdout.readline()
        found = {leak.where for leak in scan.processes([child.pid])}
        everywhere = {leak.where for leak in scan.processes()}
        child.stdin.close()
    assert found == {f"argv of {child.pid}", f"environment of {child.pid}"}
    assert everywhere >= found


def test_a_process_that_is_gone_holds_none(scan: TokenScan) -> None:
    assert list(scan.processes([2**22 + 5])) == []


def test_what_has_the_form_of_a_token() -> None:
    assert runs(f"a {TOKEN} b {TOKEN[:10]} c {OTHER}ff".encode()) == [TOKEN, f"{OTHER}ff"]
