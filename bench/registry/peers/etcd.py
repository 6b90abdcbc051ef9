"""etcd, spoken to in gRPC as its own clients do: a key for each module, kept by a lease."""

from __future__ import annotations

import itertools
import json
import socket
from collections.abc import Iterable

from bench.registry import protobuf
from bench.registry.connection import Operation, Request
from bench.registry.entry import encoded
from bench.registry.grpc_wire import GrpcConnection, call
from bench.registry.peers.peer import LEASE_SECONDS, Peer
from bench.registry.watcher import Seen, Watcher
from bench.server import free_port, program

_FOLDER = b"/modules/"
_EVENTS = 11
_KINDS = {0: "put", 1: "delete"}


class Etcd(Peer):
    """One member, as it comes; no authentication, no TLS."""

    name = "etcd"

    def __init__(self) -> None:
        super().__init__()
        self._leases = itertools.count(1)

    def start(self) -> None:
        path = program("etcd", "apt-get install etcd-server")
        self.port, peers = free_port(), free_port()
        clients, members = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{peers}"
        self._run(
            *(path, "--name", "bench", "--data-dir", str(self._directory / "etcd")),
            *("--listen-client-urls", clients, "--advertise-client-urls", clients),
            *("--listen-peer-urls", members, "--initial-advertise-peer-urls", members),
            *("--initial-cluster", f"bench={members}", "--logger", "zap", "--log-level", "error"),
        )
        connection = self.connect()  # it answers once it leads
        connection.ask(self.question("nobody-0000"))
        connection.ask(self.change("nobody-0000", 0))
        connection.close()

    def know(self, module_ids: Iterable[str]) -> None:
        """It lets everybody in."""

    def connect(self) -> GrpcConnection:
        return GrpcConnection(self.port)

    def registration(self, module_id: str, count: int, *, ttl: int = LEASE_SECONDS) -> Operation:
        lease = next(self._leases)
        grant = protobuf.number_field(1, ttl) + protobuf.number_field(2, lease)
        return (
            call("/etcdserverpb.Lease/LeaseGrant", grant, port=self.port),
            self._put(module_id, count, protobuf.number_field(3, lease)),
        )

    def change(self, module_id: str, count: int) -> Request:
        return self._put(module_id, count)

    def question(self, module_id: str) -> Request:
        """Of what this member knows, without asking the others: its fastest."""
        message = protobuf.bytes_field(1, _FOLDER + module_id.encode())
        message += protobuf.number_field(7, 1)
        return call("/etcdserverpb.KV/Range", message, port=self.port)

    def watch(self, prefix: str) -> Watcher:
        return EtcdWatcher(self.port, _FOLDER + prefix.encode())

    def _put(self, module_id: str, count: int, more: bytes = b"") -> Request:
        message = protobuf.bytes_field(1, _FOLDER + module_id.encode())
        message += protobuf.bytes_field(2, encoded(module_id, count)) + more
        return call("/etcdserverpb.KV/Put", message, port=self.port)


class EtcdWatcher(Watcher):
    """One `Watch` call with one prefix."""

    def __init__(self, port: int, prefix: bytes) -> None:
        super().__init__()
        end = prefix[:-1] + bytes((prefix[-1] + 1,))
        wanted = protobuf.bytes_field(1, prefix) + protobuf.bytes_field(2, end)
        message = protobuf.bytes_field(1, wanted)
        self._connection = GrpcConnection(port)
        self._messages: list[bytes] = []
        self._connection.write(call("/etcdserverpb.Watch/Watch", message, port=port, is_last=False))
        while not self._messages:  # that it has begun
            self.read()
        self._messages.clear()
        self.reads = 0

    @property
    def socket(self) -> socket.socket:
        return self._connection.socket

    def read(self) -> int:
        messages, is_over = self._connection.part()
        if is_over:
            raise ConnectionError("etcd has ended the watch")
        self._messages += messages
        return sum(map(self._count, messages)) if messages else self._count(b"")

    def take(self) -> list[Seen]:
        messages, self._messages = self._messages, []
        return [
            _seen(value)
            for message in messages
            for tag, value in protobuf.fields(message)
            if tag == _EVENTS and isinstance(value, bytes)
        ]


def _seen(event: bytes) -> Seen:
    found = dict(protobuf.fields(event))
    entry = found[2]
    assert isinstance(entry, bytes)
    kept = dict(protobuf.fields(entry))
    key, value, revision = kept[1], kept.get(5, b""), kept[3]
    assert isinstance(key, bytes)
    assert isinstance(value, bytes)
    assert isinstance(revision, int)
    kind = found.get(1, 0)
    assert isinstance(kind, int)
    count = json.loads(value)["metadata"]["bench_count"] if value else 0
    return Seen(_KINDS[kind], key.removeprefix(_FOLDER).decode(), count, revision)
