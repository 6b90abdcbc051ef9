"""The streams' file where things go wrong: damage at run time, interrupted mending, full disks,
clocks that step, files of an earlier version."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from store_life import NOW, Life, die, event

from kite.event_hub.core.streams.jobs import (
    Append,
    Failed,
    Found,
    Job,
    Outcome,
    Pick,
    Read,
    Write,
    Written,
)
from kite.event_hub.limits import Deduplication, StreamConfig
from kite.event_hub.store import mending, retention
from kite.event_hub.store.chunk import checksum
from kite.event_hub.store.file import FILE, StreamFile
from kite.event_hub.store.writer import StoreThread


def numbers(life: Life) -> list[int]:
    return [seq for seq, _ in life.everything()]


# ── damage ──────────────────────────────────────────────────────────────────────────────────


def test_after_mending_at_run_time_numbers_go_on_and_readers_come_to_the_end(
    tmp_path: Path,
) -> None:
    life = Life(tmp_path)
    for number in range(3):
        life.write(event(number))
    life.file._db.execute("DELETE FROM chunks WHERE key & 0xffff = 3")  # what cannot be read
    life.file.mend("tried out")
    assert life.read(2).through == 3
    life.write(event(3))
    assert numbers(life) == [1, 2, 4]
    [told] = life.file.repairs()
    assert (told["kind"], told["events_saved"]) == ("damaged_file", 2)
    life.file.close()
    assert Life(tmp_path).last == 4


@pytest.mark.parametrize("step", range(6))
def test_mending_may_be_interrupted_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    (tmp_path / "a").mkdir()
    life = Life(tmp_path / "a")
    for number in range(50):
        life.write(event(number, size=3000))
    die(life, tmp_path / "a", tmp_path / "b")
    path = tmp_path / "b" / FILE
    steps = iter(range(100))
    rename = Path.rename

    def may_fail(self: Path, target: Path) -> Path:
        if next(steps) == step:
            raise OSError("the power is gone")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", may_fail)
    with contextlib.suppress(OSError):
        mending.mend(path, {"docs": 50})
    monkeypatch.undo()
    life = Life(tmp_path / "b")
    assert numbers(life) == list(range(1, 51))
    life.write(event(50))
    assert numbers(life) == list(range(1, 52))
    life.file.close()


def test_a_damaged_count_costs_its_chunk_alone(tmp_path: Path) -> None:
    life = Life(tmp_path)
    for number in range(3):
        life.write(event(number))
    size = life.file._shelves["docs"].size
    life.file._db.execute("UPDATE chunks SET count=70000 WHERE key & 0xffff = 2")
    assert numbers(life) == [1, 3]
    [told] = life.file.repairs()
    assert (told["kind"], told["first"]) == ("damaged_chunk", 2)
    assert life.file._shelves["docs"].size == size * 2 // 3
    life.file.close()


def test_a_torn_frame_of_full_length_is_told_too(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    life = Life(tmp_path / "a")
    for number in range(20):
        life.write(event(number, size=3000))
    die(life, tmp_path / "a", tmp_path / "b")
    wal = tmp_path / "b" / f"{FILE}-wal"
    data = bytearray(wal.read_bytes())
    data[-100] ^= 1
    wal.write_bytes(data)
    life = Life(tmp_path / "b")
    [told] = life.stored.repairs
    assert told["kind"] == "torn_tail"
    assert 0 < told["bytes"] < len(data)
    assert numbers(life) == list(range(1, 20))
    life.file.close()


def test_a_damaged_durable_is_told_and_begins_anew(tmp_path: Path) -> None:
    life = Life(tmp_path)
    good = (
        b'{"stream":"docs","patterns":["docs.>"],"position":1,"ack_wait":30,"max_deliver":5,'
        b'"max_in_flight":256}'
    )
    life.file.write(Write(states={("m", "good"): good, ("m", "bad"): good[:-9]}))
    life.file.close()
    life = Life(tmp_path)
    assert life.stored.durables == {("m", "good"): good}
    assert life.stored.repairs == [{"kind": "damaged_durable", "module_id": "m", "durable": "bad"}]
    life.file.close()
    assert Life(tmp_path).stored.repairs == []


def test_chunks_whose_stream_is_not_known_any_more_come_to_no_other(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.write(event(1), event(2))
    life.file._db.execute("DELETE FROM streams")
    life.file.close()
    mending.mend(tmp_path / FILE, {})
    life = Life(tmp_path)
    assert numbers(life) == []
    life.file.close()
    lost = StreamFile(tmp_path, {"lost-1": StreamConfig(subjects=["docs.>"])}, Deduplication())
    assert lost.open(NOW).extents["lost-1"].count == 2
    lost.close()


# ── a full disk ─────────────────────────────────────────────────────────────────────────────


def test_a_disk_that_is_full_in_the_middle_changes_nothing(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.write(event(1))
    [pages] = life.file._db.execute("PRAGMA page_count").fetchone()
    life.file._db.execute(f"PRAGMA max_page_count={pages + 2}")
    before = life.file._shelves["docs"].extent
    with pytest.raises(sqlite3.OperationalError, match="full"):
        life.write(*(event(number, size=20_000) for number in range(2, 9)))
    assert life.file._shelves["docs"].extent == before
    life.file._db.execute("PRAGMA max_page_count=1000000")
    life.write(event(2))
    assert numbers(life) == [1, 2]
    life.file.close()


# ── what is known without looking at everything ─────────────────────────────────────────────


def test_a_new_life_knows_what_the_last_one_knew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often the size was noted, and wherever the last life ended."""
    monkeypatch.setattr("kite.event_hub.store.file._MOST_UNNOTED", 30_000)
    dice = random.Random(3)
    directory, now = tmp_path / "0", NOW
    directory.mkdir()
    for turn in range(1, 12):
        bounds = dice.choice([{}, {"max_events": 20}, {"max_size": 40_000}, {"max_age": 15.0}])
        life = Life(directory, now, **bounds)
        for number in range(dice.randrange(1, 20)):
            now += 1
            life.write(
                *(event(number, size=dice.randrange(4000)) for _ in range(dice.randrange(1, 4))),
                at=now,
            )
        known = life.file._shelves["docs"].extent
        [size] = life.file._db.execute("SELECT total(size) FROM chunks").fetchone()
        assert known.size == size
        assert [seq for seq, _ in life.everything()] == list(range(known.first, known.last + 1))
        die(life, directory, tmp_path / str(turn))
        directory = tmp_path / str(turn)
        again = Life(directory, now, **bounds)
        assert again.stored.extents["docs"] == known
        again.file.close()


def test_opening_looks_at_few_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kite.event_hub.store.file._MOST_UNNOTED", 200_000)
    life = Life(tmp_path)
    for number in range(1000):
        life.write(event(number))
    life.file.close()
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    connect = sqlite3.connect

    def watched(*args: Any, **options: Any) -> sqlite3.Connection:
        db = connect(*args, **options)
        db.set_progress_handler(step, 10)
        return db

    monkeypatch.setattr(sqlite3, "connect", watched)
    life = Life(tmp_path, now=NOW + 1000)
    assert life.stored.extents["docs"].count == 1000
    assert life.read(since=NOW + 1).records == []
    assert steps < 200
    life.file.close()


def test_much_that_is_to_go_goes_in_portions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = Life(tmp_path)
    for number in range(20):
        life.write(event(number))
    life.file.close()
    monkeypatch.setattr(retention, "_MOST_CHUNKS", 8)
    for bounds, seen in (
        ({"max_events": 3}, [9, 17, 18, 18]),
        ({"max_size": 100}, [20, 20]),
    ):
        life = Life(tmp_path, **bounds)
        for first in seen:
            life.file.write(Write(at=NOW))
            assert life.file._shelves["docs"].first == first
            assert numbers(life) == list(range(first, 21))
        life.file.close()


def test_a_file_of_the_first_version_is_taken_over(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / FILE)
    db.executescript(
        """
        CREATE TABLE streams (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
            first INTEGER NOT NULL, last INTEGER NOT NULL);
        CREATE TABLE chunks (key INTEGER PRIMARY KEY, count INTEGER NOT NULL, at REAL NOT NULL,
            size INTEGER NOT NULL, crc INTEGER NOT NULL, sources TEXT NOT NULL,
            data BLOB NOT NULL);
        CREATE TABLE durables (module TEXT NOT NULL, name TEXT NOT NULL, state BLOB NOT NULL,
            PRIMARY KEY (module, name)) WITHOUT ROWID;
        INSERT INTO streams VALUES (1, 'docs', 1, 0);
        PRAGMA user_version=1;
        """
    )
    data = len(event(1)).to_bytes(4, "little") + event(1)
    row = ((1 << 44) + 1, 1, NOW, len(data), checksum(data), "writer", data)
    db.execute("INSERT INTO chunks VALUES (?,?,?,?,?,?,?)", row)
    db.commit()
    db.close()
    life = Life(tmp_path)
    assert life.stored.extents["docs"].size == len(data)
    life.write(event(2))
    assert numbers(life) == [1, 2]
    life.file.close()
    assert Life(tmp_path).last == 2


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / FILE)
    db.execute("PRAGMA user_version=3")
    db.close()
    with pytest.raises(sqlite3.OperationalError, match="newer version"):
        Life(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


# ── clocks ──────────────────────────────────────────────────────────────────────────────────


def test_a_clock_that_goes_back_a_little_does_not_turn_time_around(tmp_path: Path) -> None:
    life = Life(tmp_path)
    for at in (NOW, NOW + 10, NOW + 5, NOW + 7, NOW + 20):
        life.write(event(int(at)), at=at)
    assert [seq for seq, _ in life.read(since=NOW + 6).records] == [2, 3, 4, 5]
    assert [seq for seq, _ in life.read(since=NOW + 11).records] == [5]
    life.file.close()


def test_what_a_wrong_clock_has_dated_in_the_future_does_not_stay_for_ever(
    tmp_path: Path,
) -> None:
    life = Life(tmp_path, max_age=100)
    life.write(event(1), at=NOW)
    life.write(event(2), at=NOW + 90)
    life.file.close()
    life = Life(tmp_path)
    for number in (3, 4):
        life.write(event(number), at=NOW + 1e9)
    life.file.close()
    life = Life(tmp_path, max_age=100)
    life.write(event(5), at=NOW + 95)
    assert numbers(life) == [1, 2, 3, 4, 5]
    assert [seq for seq, _ in life.read(since=NOW + 94).records] == [3, 4, 5]
    life.file.write(Write(at=NOW + 191))
    assert numbers(life) == [3, 4, 5]
    life.file.write(Write(at=NOW + 196))
    assert numbers(life) == []
    life.file.close()


# ── the thread ──────────────────────────────────────────────────────────────────────────────


async def test_a_transaction_passes_what_is_to_be_read_and_no_failure_ends_the_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[Job, Outcome]] = []
    is_done = asyncio.Event()
    gate = threading.Event()

    def tell(job: Job, outcome: Outcome) -> None:
        done.append((job, outcome))
        if len(done) == 4:
            is_done.set()

    def no_memory(_: Pick) -> Found:
        assert gate.wait(30)
        raise MemoryError("tried out")

    configs = {"docs": StreamConfig(subjects=["docs.>"])}
    store = StoreThread(tmp_path, configs, Deduplication(), tell=tell, damaged=lambda _: None)
    await store.open()
    monkeypatch.setattr(store._file, "pick", no_memory)
    append = Append(stream="docs", first=1, payloads=[event(1)], sources=frozenset({"writer"}))
    store.submit(Pick(stream="docs", seqs=(1,), ticket=1))
    store.submit(Read(stream="docs", after=0, ticket=2))
    store.submit(Read(stream="docs", after=0, ticket=3))
    store.submit(Write(appends=(append,), at=NOW))
    gate.set()
    async with asyncio.timeout(30):
        await is_done.wait()
    await store.close()
    assert {type(job) for job, _ in done[:2]} == {Pick, Write}
    outcomes = {type(job): outcome for job, outcome in done}
    assert outcomes[Pick] == Failed(why="MemoryError: tried out")
    assert isinstance(outcomes[Write], Written)
    assert outcomes[Read] == Found(records=[(1, event(1))], through=1)
