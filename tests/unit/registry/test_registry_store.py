"""What survives: written atomically, for the owner alone, bound to one epoch."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from kite.registry.core.posted import Grant
from kite.registry.core.registration import Registration
from kite.registry.store import FILE_NAME, Kept, KeptEntry, Store

KITE = "d" * 64
KEPT = Kept(
    epoch=KITE,
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


async def write(tmp_path, kept=KEPT):
    store = Store(tmp_path, lambda: kept)
    store.changed()
    await store.written()
    return store


async def test_what_was_written_is_read(tmp_path):
    await write(tmp_path)
    assert Store(tmp_path, lambda: KEPT).load(KITE) == KEPT
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


async def test_the_owner_alone_may_read_whatever_stood_there(tmp_path):
    (tmp_path / FILE_NAME).write_text("{}")
    (tmp_path / FILE_NAME).chmod(0o644)
    await write(tmp_path)
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


async def test_another_epoch_begins_anew(tmp_path):
    await write(tmp_path)
    assert Store(tmp_path, lambda: KEPT).load("e" * 64) == Kept(epoch="e" * 64)


def test_no_file_is_no_complaint(tmp_path, caplog):
    assert Store(tmp_path, lambda: KEPT).load(KITE).entries == []
    assert Store(None, lambda: KEPT).load(KITE).entries == []
    assert caplog.records == []


async def test_a_torn_file_begins_anew_and_says_so(tmp_path, caplog):
    await write(tmp_path)
    whole = (tmp_path / FILE_NAME).read_bytes()
    for length in range(0, len(whole), 7):
        (tmp_path / FILE_NAME).write_bytes(whole[:length])
        assert Store(tmp_path, lambda: KEPT).load(KITE) == Kept(epoch=KITE)
    assert "store.discarded" in caplog.text


@pytest.mark.parametrize(
    "content",
    [b"\0" * 100, b"[]", b"\xff", b"[" * 100_000, b'{"epoch":1}',
     json.dumps({"epoch": KITE, "entries": [{"module_id": 1}]}).encode(),
     json.dumps({"epoch": KITE, "format": 99}).encode()],
)  # fmt: skip
def test_garbage_begins_anew(tmp_path, content):
    (tmp_path / FILE_NAME).write_bytes(content)
    assert Store(tmp_path, lambda: KEPT).load(KITE) == Kept(epoch=KITE)


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
