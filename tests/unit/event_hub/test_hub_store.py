"""The streams' file: what is read is what was written, and damage is mended and told."""

from __future__ import annotations

import os
import random
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_life import NOW, Life, die, event

from kite.event_hub.core.streams.jobs import Append, Found, Pick, Write
from kite.event_hub.store.chunk import MOST_BYTES, chunks, pack, unpack
from kite.event_hub.store.file import FILE
from kite.event_hub.store.wal import log_at


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=50))
def test_a_chunk_gives_back_what_went_in(payloads: list[bytes]) -> None:
    assert unpack(pack(payloads), len(payloads)) == payloads


@given(st.lists(st.integers(0, MOST_BYTES + 1000), max_size=8))
def test_chunks_are_bounded_and_lose_nothing(sizes: list[int]) -> None:
    payloads = [bytes(size) for size in sizes]
    portions = [list(portion) for portion in chunks(payloads)]
    assert [payload for portion in portions for payload in portion] == payloads
    assert all(
        portion and (len(portion) == 1 or sum(map(len, portion)) <= MOST_BYTES)
        for portion in portions
    )


def test_what_was_written_is_read_in_portions(tmp_path: Path) -> None:
    life = Life(tmp_path)
    events = [event(number, size=random.Random(number).randrange(20_000)) for number in range(300)]
    for start in range(0, 300, 75):
        life.write(*events[start : start + 75])
    assert life.everything() == list(enumerate(events, 1))
    assert len(life.read().records) < 300
    assert [seq for seq, _ in life.read(295).records] == [296, 297, 298, 299, 300]
    assert life.read(300) == Found(records=[], through=300)
    picked = life.file.pick(Pick(stream="docs", seqs=(1, 2, 150, 299, 301), ticket=1))
    assert picked.records == [(seq, events[seq - 1]) for seq in (1, 2, 150, 299)]
    life.file.close()


def test_a_new_life_goes_on_behind_the_last(tmp_path: Path) -> None:
    life = Life(tmp_path, max_events=2)
    for number in range(4):
        life.write(event(number), at=NOW + number)
    life.file.close()
    life = Life(tmp_path, max_events=2)
    extent = life.stored.extents["docs"]
    assert (extent.first, extent.last, extent.oldest) == (3, 4, NOW + 2)
    assert [seq for seq, _ in life.everything()] == [3, 4]
    assert life.read(since=NOW + 3).records == [(4, event(3))]
    life.file.close()


def test_numbers_go_on_when_everything_has_become_too_old(tmp_path: Path) -> None:
    life = Life(tmp_path, max_age=10)
    life.write(event(1), event(2))
    life.file.write(Write(at=NOW + 11))
    life.file.close()
    life = Life(tmp_path, max_age=10)
    extent = life.stored.extents["docs"]
    assert (extent.first, extent.last, extent.count, extent.oldest) == (3, 2, 0, None)
    life.write(event(3))
    assert life.everything() == [(3, event(3))]
    life.file.close()


def test_ids_of_the_window_come_back_oldest_first_and_no_more_than_are_remembered(
    tmp_path: Path,
) -> None:
    life = Life(tmp_path)
    life.write(event(1), at=NOW - 200)
    life.write(*(event(number) for number in range(2, 9)), at=NOW - 50)
    life.write(event(9), at=NOW - 5)
    life.file.close()
    life = Life(tmp_path)
    assert life.stored.ids == [
        (50.0, "writer", "i5"), (50.0, "writer", "i6"), (50.0, "writer", "i7"),
        (50.0, "writer", "i8"), (5.0, "writer", "i9"),
    ]  # fmt: skip
    life.file.close()


def test_a_failed_transaction_changes_nothing(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.write(event(1))
    twice = Append(stream="docs", first=1, payloads=[event(2)], sources=frozenset())
    with pytest.raises(sqlite3.IntegrityError):
        life.file.write(Write(appends=(twice,), states={("m", "d"): b"{}"}))
    life.write(event(3))
    assert life.everything() == [(1, event(1)), (2, event(3))]
    life.file.close()
    assert Life(tmp_path).stored.durables == {}


def test_a_torn_tail_is_cut_and_told(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    life = Life(tmp_path / "a")
    for number in range(20):
        life.write(event(number, size=3000))
    die(life, tmp_path / "a", tmp_path / "b")
    wal = tmp_path / "b" / f"{FILE}-wal"
    whole = wal.stat().st_size
    assert log_at(wal).size == whole
    os.truncate(wal, whole - 5000)
    life = Life(tmp_path / "b")
    [told] = life.stored.repairs
    assert told["kind"] == "torn_tail"
    assert life.everything() == [(n + 1, event(n, size=3000)) for n in range(life.last)]
    assert life.last == 19
    life.file.close()
    assert log_at(tmp_path / "nothing").size == 0


def test_a_wal_cut_anywhere_leaves_a_whole_beginning(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    life = Life(tmp_path / "a")
    for number in range(10):
        life.write(event(number, size=2000))
    die(life, tmp_path / "a", tmp_path / "b")
    db, wal = tmp_path / "b" / FILE, tmp_path / "b" / f"{FILE}-wal"
    whole_db, whole_wal = db.read_bytes(), wal.read_bytes()
    dice = random.Random(5)
    for _ in range(20):
        db.write_bytes(whole_db)
        wal.write_bytes(whole_wal[: dice.randrange(len(whole_wal))])
        cut = Life(tmp_path / "b")
        assert cut.everything() == [(n + 1, event(n, size=2000)) for n in range(cut.last)]
        cut.file.close()


def test_a_flipped_bit_costs_its_chunk_alone(tmp_path: Path) -> None:
    life = Life(tmp_path)
    for number in range(3):
        life.write(event(number), event(number + 10))
    life.file.close()
    path = tmp_path / FILE
    data = bytearray(path.read_bytes())
    at = data.index(b'"event_id":"i1"')
    data[at + 12] ^= 1
    path.write_bytes(data)
    life = Life(tmp_path, now=NOW + 1000)
    assert [seq for seq, _ in life.everything()] == [1, 2, 5, 6]
    [told] = life.file.repairs()
    assert told == {"kind": "damaged_chunk", "stream": "docs", "first": 3, "last": 4}
    life.file.close()


def test_a_damaged_last_chunk_does_not_give_its_numbers_again(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.write(event(0))
    life.write(event(1))
    life.file.close()
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes().replace(b'"event_id":"i1"', b'"event_id":"i2"'))
    life = Life(tmp_path, now=NOW + 1000)
    assert [seq for seq, _ in life.everything()] == [1]
    life.file.close()
    assert Life(tmp_path).last == 2


@pytest.mark.parametrize("size", [0, 100, 4000, 8192, 50_000])
def test_a_file_that_is_none_is_moved_aside(tmp_path: Path, size: int) -> None:
    path = tmp_path / FILE
    path.write_bytes(random.Random(size).randbytes(size))
    life = Life(tmp_path)
    if size:
        [told] = life.stored.repairs
        assert told["kind"] == "damaged_file"
        assert (tmp_path / told["moved_to"]).read_bytes() == random.Random(size).randbytes(size)
    life.write(event(1))
    assert life.everything() == [(1, event(1))]
    life.file.close()


def test_what_can_be_read_of_a_damaged_file_is_saved(tmp_path: Path) -> None:
    """Pages are overwritten at random: the Hub comes up, and what it says is there is right."""
    (tmp_path / "a").mkdir()
    life = Life(tmp_path / "a")
    for number in range(100):
        life.write(event(number, size=3000))
    life.file.write(Write(states={("m", "d"): b"{}"}))
    life.file.close()
    whole = (tmp_path / "a" / FILE).read_bytes()
    saved = []
    for seed in range(15):
        directory = tmp_path / f"r{seed}"
        directory.mkdir()
        dice = random.Random(seed)
        data = bytearray(whole)
        for _ in range(3):
            page = dice.randrange(1, len(data) // 8192) * 8192
            data[page : page + 8192] = dice.randbytes(8192)
        (directory / FILE).write_bytes(data)
        life = Life(directory, now=NOW + 1000)
        found = life.everything()
        assert all(payload == event(seq - 1, size=3000) for seq, payload in found)
        life.write(event(999))
        saved.append(len(found))
        if len(found) < 100:
            assert life.stored.repairs or life.file.repairs()
        life.file.close()
    assert max(saved) > 50
