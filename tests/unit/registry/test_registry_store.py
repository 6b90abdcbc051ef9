"""What survives: written atomically, for the owner alone, bound to one kite token."""

from __future__ import annotations

import asyncio
import json
import logging
import os

import pytest

from kite.registry.core.posted import Grant
from kite.registry.core.registration import Registration
from kite.registry.kept import Kept, KeptEntry, Step
from kite.registry.store import FILE_NAME, Store

KITE = "d" * 64
KEPT = Kept(
    kite=KITE,
    entries=[
        KeptEntry(
            module_id="alpha",
            life=2,
            registration=Registration(name="A", metadata={"deep": [1, None, {"x": 2.5}]}),
            registered_at=12.5,
            ttl=30.0,
        ),
        KeptEntry(
            module_id="beta",
            life=1,
            registration=Registration(),
            registered_at=13.5,
            ttl=30.0,
            is_own=False,
        ),
    ],
    sessions=[
        Grant(
            digest="s", name="alpha", publish=("a.>",), subscribe=None, parent="p", expires_at=9.0
        )
    ],
)


OPENED: list[Store] = []


@pytest.fixture(autouse=True)
def files():
    """Stores whose files are closed at the end."""
    yield
    for store in OPENED:
        store.close()
    OPENED.clear()


async def write(tmp_path, kept=KEPT):
    store = Store(tmp_path, lambda: kept)
    OPENED.append(store)
    store.changed()
    await store.written()
    return store


async def test_what_was_written_is_read(tmp_path):
    await write(tmp_path)
    assert Store(tmp_path, lambda: KEPT).load(KITE) == (KEPT, [])
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


async def test_the_owner_alone_may_read_whatever_stood_there(tmp_path):
    (tmp_path / FILE_NAME).write_text("{}")
    (tmp_path / FILE_NAME).chmod(0o644)
    await write(tmp_path)
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


async def test_another_kite_token_begins_anew(tmp_path):
    await write(tmp_path)
    assert Store(tmp_path, lambda: KEPT).load("e" * 64) == (Kept(kite="e" * 64), [])


def test_no_file_is_no_complaint(tmp_path, caplog):
    assert Store(tmp_path, lambda: KEPT).load(KITE) == (Kept(kite=KITE), [])
    assert Store(None, lambda: KEPT).load(KITE) == (Kept(kite=KITE), [])
    assert caplog.records == []


async def test_a_torn_file_begins_anew_and_says_so(tmp_path, caplog):
    await write(tmp_path)
    whole = (tmp_path / FILE_NAME).read_bytes()
    for length in (*range(0, len(whole) - 1, 7), len(whole) - 2):  # the last byte ends the line
        (tmp_path / FILE_NAME).write_bytes(whole[:length])
        assert Store(tmp_path, lambda: KEPT).load(KITE) == (Kept(kite=KITE), [])
    assert "store.discarded" in caplog.text


@pytest.mark.parametrize(
    "content",
    [b"\0" * 100, b"[]", b"\xff", b"[" * 100_000, b'{"kite":1}',
     json.dumps({"kite": KITE, "entries": [{"module_id": 1}]}).encode(),
     json.dumps({"kite": KITE, "format": 99}).encode()],
)  # fmt: skip
def test_garbage_begins_anew(tmp_path, content):
    (tmp_path / FILE_NAME).write_bytes(content)
    assert Store(tmp_path, lambda: KEPT).load(KITE) == (Kept(kite=KITE), [])


async def test_many_changes_are_one_write(tmp_path):
    writes = []

    def content():
        writes.append(1)
        return KEPT

    store = Store(tmp_path, content)
    for _ in range(1000):
        store.changed()
    await asyncio.gather(*(store.written() for _ in range(10)))
    assert len(writes) == 1


async def test_close_writes_what_is_not_written(tmp_path):
    store = Store(tmp_path, lambda: KEPT)
    store.changed()
    waiting = asyncio.create_task(store.written())
    await asyncio.sleep(0)
    store.close()
    await waiting
    assert (tmp_path / FILE_NAME).exists()
    store.close()  # nothing left


async def test_a_full_disk_is_said_once_and_nothing_else_suffers(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    gone = tmp_path / "gone"
    gone.mkdir()
    store = Store(gone, lambda: KEPT)
    gone.rmdir()
    for _ in range(3):
        store.changed()
        await store.written()
    assert caplog.text.count("store.failed") == 1
    gone.mkdir()
    store.changed()
    await store.written()
    assert "store.recovered" in caplog.text
    assert (gone / FILE_NAME).exists()


async def test_a_failed_write_leaves_the_former_file(tmp_path):
    store = await write(tmp_path)
    before = (tmp_path / FILE_NAME).read_bytes()
    (tmp_path / f".{FILE_NAME}.new").mkdir()
    store.changed()
    await store.written()
    assert (tmp_path / FILE_NAME).read_bytes() == before


STEPS = [
    Step(put=KeptEntry(module_id="gamma", registration=Registration(), registered_at=1.5, ttl=9.0)),
    Step(out=("alpha", 2)),
    Step(out=("gamma", None)),
]


async def noted(tmp_path, steps=STEPS):
    """A store with a file, and these changes in it."""
    store = await write(tmp_path)
    for step in steps:
        store.note(step)
    return store


async def test_a_change_is_kept_at_once_behind_what_was_there(tmp_path):
    before = (await write(tmp_path)) and (tmp_path / FILE_NAME).read_bytes()
    await noted(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes().startswith(before)
    assert Store(tmp_path, lambda: KEPT).load(KITE) == (KEPT, STEPS)


async def test_of_torn_changes_those_before_count_and_the_rest_is_said(tmp_path, caplog):
    await write(tmp_path)
    start = len((tmp_path / FILE_NAME).read_bytes())
    await noted(tmp_path)
    whole = (tmp_path / FILE_NAME).read_bytes()
    for length in range(start, len(whole)):
        caplog.clear()
        (tmp_path / FILE_NAME).write_bytes(whole[:length])
        kept, steps = Store(tmp_path, lambda: KEPT).load(KITE)
        ended = whole[start : length + 1].count(b"\n")  # its line's end is all that it may lack
        assert (kept, steps) == (KEPT, STEPS[:ended])
        is_torn = whole[length - 1 : length] != b"\n" and whole[length : length + 1] != b"\n"
        assert ("store.discarded" in caplog.text) == is_torn


async def test_the_first_change_of_a_life_writes_everything(tmp_path):
    store = Store(tmp_path, lambda: KEPT)
    OPENED.append(store)
    store.note(STEPS[0])
    await store.written()
    assert Store(tmp_path, lambda: KEPT).load(KITE) == (KEPT, [])


async def test_a_file_that_has_grown_is_written_anew(tmp_path):
    await noted(tmp_path, STEPS * 5000)
    kept, steps = Store(tmp_path, lambda: KEPT).load(KITE)
    assert kept == KEPT
    assert 0 < len(steps) < len(STEPS) * 5000
    assert (tmp_path / FILE_NAME).stat().st_size < 300_000


async def test_a_file_that_somebody_removed_is_written_again(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    store = await write(tmp_path)
    (tmp_path / FILE_NAME).unlink()
    store.note(STEPS[0])
    await store.written()
    assert Store(tmp_path, lambda: KEPT).load(KITE) == (KEPT, [])
    assert caplog.text.count("store.failed") == caplog.text.count("store.recovered") == 1


async def test_changes_that_a_full_disk_cuts_are_written_with_the_next(
    tmp_path, monkeypatch, caplog
):
    """A part of a line is worse than none: what comes next must not stand behind it."""
    caplog.set_level(logging.INFO)
    store = await write(tmp_path)
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:5]))
    store.note(STEPS[0])
    monkeypatch.undo()
    await store.written()
    assert Store(tmp_path, lambda: KEPT).load(KITE) == (KEPT, [])
    store.note(STEPS[1])
    assert Store(tmp_path, lambda: KEPT).load(KITE) == (KEPT, [STEPS[1]])
    assert caplog.text.count("store.failed") == caplog.text.count("store.recovered") == 1


def test_nowhere_to_keep_is_no_complaint():
    Store(None, lambda: KEPT).note(STEPS[0])
