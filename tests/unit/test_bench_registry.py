"""The arithmetic of `./dev bench registry`: bytes of etcd's protocol, and what counts as a missed change."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence

import pytest

pytest.importorskip("bench.figure", reason="only in the repository")
from bench.registry import http2, http_wire, protobuf
from bench.registry.comparison import compared
from bench.registry.connection import Refused
from bench.registry.entry import MARK, RARE, encoded, entry, names
from bench.registry.grpc_wire import Messages, call
from bench.registry.peers.etcd import EtcdWatcher
from bench.registry.watcher import Seen, Watcher
from bench.registry.watching import check


def test_protobuf_is_written_as_its_specification_shows() -> None:
    """The examples of the encoding guide: 150 in field 1, "testing" in field 2."""
    assert protobuf.number_field(1, 150) == bytes.fromhex("089601")
    assert protobuf.bytes_field(2, b"testing") == bytes.fromhex("120774657374696e67")


@pytest.mark.parametrize("number", [0, 1, 127, 128, 16_383, 16_384, 2**31, 2**63 - 1])
def test_protobuf_is_read_as_it_was_written(number: int) -> None:
    message = protobuf.number_field(7, number) + protobuf.bytes_field(11, b"x" * (number % 300))
    assert list(protobuf.fields(message)) == [(7, number), (11, b"x" * (number % 300))]


@pytest.mark.parametrize("message", [b"\x08", b"\x12\x05abc", b"\x08\x80", b"\x0d\x00\x00\x00\x00"])
def test_protobuf_that_is_cut_or_strange_is_refused(message: bytes) -> None:
    with pytest.raises(ValueError, match=r"ends|kind"):
        list(protobuf.fields(message))


def test_a_header_stands_for_itself() -> None:
    """RFC 7541, C.2.2 has a literal without indexing; a long text has its length in further bytes."""
    assert http2.literal("a", "bc") == b"\x00\x01a\x02bc"
    long = http2.literal("a", "x" * 400)
    assert long[3:6] == bytes((0x7F, (400 - 127) % 128 | 0x80, (400 - 127) // 128))
    assert long[6:] == b"x" * 400


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_frames_are_found_however_they_are_cut(size: int) -> None:
    sent = [
        http2.Frame(http2.DATA, 0, 1, b"abc"),
        http2.Frame(http2.HEADERS, http2.END_STREAM, 2**31 - 1, b""),
        http2.Frame(http2.DATA, 0, 3, b"x" * 300),
    ]
    text = b"".join(
        http2.frame(each.kind, each.payload, flags=each.flags, stream=each.stream) for each in sent
    )
    frames = http2.Frames()
    found = [each for at in range(0, len(text), size) for each in frames.feed(text[at : at + size])]
    assert found == sent


def test_a_call_is_two_frames_of_its_stream() -> None:
    text = (5).to_bytes(4, "big").join(call("/a.B/C", b"hello", port=1234))
    headers, data = http2.Frames().feed(text)
    assert (headers.kind, headers.flags, headers.stream) == (http2.HEADERS, http2.END_HEADERS, 5)
    assert http2.literal(":path", "/a.B/C") in headers.payload
    assert (data.kind, data.flags, data.stream) == (http2.DATA, http2.END_STREAM, 5)
    assert Messages().feed(data.payload) == [b"hello"]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_messages_are_found_however_they_are_cut(size: int) -> None:
    text = (
        b"\x00\x00\x00\x00\x02ab" + b"\x00\x00\x00\x00\x00" + b"\x00\x00\x00\x01\x00" + b"y" * 256
    )
    messages = Messages()
    found = [
        each for at in range(0, len(text), size) for each in messages.feed(text[at : at + size])
    ]
    assert found == [b"ab", b"", b"y" * 256]


def test_an_answer_is_whole_with_its_last_byte_and_no_other_status_is_one() -> None:
    text = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    assert http_wire.answer(text) == b"{}"
    assert all(http_wire.answer(text[:cut]) is None for cut in range(len(text)))
    with pytest.raises(Refused):
        http_wire.answer(text.replace(b"200 OK", b"429 No"))


def test_a_record_is_marked_once_and_says_whose_it_is() -> None:
    text = encoded("bench-0007", 12, action="register")
    assert text.count(MARK) == 1
    document = json.loads(text)
    assert (document["action"], document["module_id"]) == ("register", "bench-0007")
    assert document["metadata"]["bench_count"] == 12
    rare = [n for n in names("bench-", 2 * RARE) if entry(n, 0)["module_type"] == "agent"]
    assert rare == ["bench-0000", f"bench-{RARE:04}"]


class _Watcher(Watcher):
    def __init__(self, pieces: Sequence[bytes]) -> None:
        super().__init__()
        self._pieces = iter(pieces)

    @property
    def socket(self) -> socket.socket:
        raise NotImplementedError

    def read(self) -> int:
        return self._count(next(self._pieces))

    def take(self) -> list[Seen]:
        return []


def test_a_mark_counts_once_wherever_it_is_cut() -> None:
    text = encoded("bench-0001", 1) + encoded("bench-0002", 2)
    for cut in range(len(text)):
        watcher = _Watcher([text[:cut], text[cut:]])
        assert watcher.read() + watcher.read() == 2
        assert (watcher.marks, watcher.reads) == (2, 2)


def test_what_etcd_says_is_understood() -> None:
    kept = protobuf.bytes_field(1, b"/modules/bench-0001") + protobuf.number_field(3, 9)
    put = protobuf.bytes_field(2, kept + protobuf.bytes_field(5, encoded("bench-0001", 4)))
    gone = protobuf.number_field(1, 1) + protobuf.bytes_field(2, kept)
    watcher = object.__new__(EtcdWatcher)
    watcher._messages = [protobuf.bytes_field(11, put) + protobuf.bytes_field(11, gone)]
    assert watcher.take() == [
        Seen("put", "bench-0001", 4, 9),
        Seen("delete", "bench-0001", 0, 9),
    ]
    assert watcher.take() == []


def _changes(*counts: int, kind: str = "registered") -> list[Seen]:
    return [Seen(kind, "a", count, 10 + count) for count in counts]


def test_every_change_in_order_is_right() -> None:
    check(_changes(1, 2, 3), {"a": 3})


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (_changes(1, 3), "change 3 came after 1"),
        (_changes(1, 1, 2, 3), "change 1 came after 1"),
        (_changes(1, 2), "the last changes are missing"),
        ([*_changes(1, 2, 3), Seen("registered", "b", 1, 14)], "which nobody watches"),
        ([Seen("put", "a", 1, 5), Seen("put", "a", 2, 4), Seen("put", "a", 3, 6)], "revision 4"),
        ([*_changes(1), Seen("compacted", "", 0, 9), *_changes(3, kind="present")], "to its end"),
    ],
)
def test_what_is_missed_in_silence_comes_twice_or_is_of_others_is_found(
    seen: list[Seen], why: str
) -> None:
    with pytest.raises(RuntimeError, match=why):
        check(seen, {"a": 3})


def test_who_is_told_compacted_may_have_missed_what_was_before() -> None:
    told = [Seen("compacted", "", 0, 12), *_changes(2, kind="present"), Seen("synced", "", 0, 12)]
    check([*_changes(1), *told, *_changes(3)], {"a": 3})
    with pytest.raises(RuntimeError, match="change 4 came after 2"):
        check([*told, *_changes(4)], {"a": 4})


def test_a_comparison_has_both_medians_and_their_ratio() -> None:
    figure = compared("get", {"Kite": [3.0, 1.0, 2.0], "etcd": [5.0, 4.0, 3.0]}, "/s", detail="so")
    assert (figure.name, figure.value, figure.peers) == ("registry: get", 2.0, {"etcd": 4.0})
    assert figure.detail == "Kite / etcd 0.50; median of 3; so"
    alone = compared("get", {"Kite": [2.0]}, "/s")
    assert (alone.value, alone.peers, alone.detail) == (2.0, {}, "")
