"""The Hub's limits and settings: defaults that serve a laptop, `hub:` in `kite.yaml` overrides.

Everything that a client can make the Hub keep is bounded by a number of this table.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar, get_args

import msgspec

from kite.wire.limits import HUB_LEAST, MAX_FRAME_BYTES
from kite.wire.subject import pattern_problem

HotPath = Literal["auto", "pure"]
"""Which form of the hot path is asked for."""

Sync = Literal["full", "normal"]
"""What a stream's commit outlives: a loss of power, or the Hub's own end."""

_T = TypeVar("_T", bound=msgspec.Struct)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much of everything the Hub keeps (`hub.limits`). Bytes, counts and seconds.

    Args:
        frame_bytes: a message from a client, after reassembly.
        outbox_bytes: what waits for one subscriber before its publishers are held.
        outbox_most_bytes: what may wait at the very most. Who is not held (Launcher, Registry, the
            Hub itself) can go past `outbox_bytes`; here the subscriber is cut at once.
        slow_rate: bytes a second that a subscriber over its outbox limit must take.
        slow_seconds: how long it may take less, within `slow_window` seconds, before it is cut.
        input_bytes: what may have been read from all clients together and is not a whole message
            yet; beyond that the connection whose message is oldest is closed.
        connections: open WebSockets together.
        connections_per_module: of these, of one module.
        handshakes: connections that have not finished their HTTP request.
        handshake_seconds: how long each may take for it.
        head_bytes: of such a request.
        subscriptions: per connection.
        pattern_tokens: tokens of all patterns of all connections.
        routes: subjects whose subscribers are remembered.
        requests: of one connection, that wait for an answer; beyond that it is not told when
            nobody is left to answer the oldest.
        awaited: likewise of all connections, each request counted once for everybody who may answer.
        farewell_seconds: how long a connection that was told to go may take to read that.
        silence_seconds: how long a module may owe the answer to a ping before it is called silent;
            0: nobody is asked.
    """

    frame_bytes: int = MAX_FRAME_BYTES
    outbox_bytes: int = 4 << 20
    outbox_most_bytes: int = 64 << 20
    slow_rate: int = 1 << 20
    slow_seconds: float = 2.0
    slow_window: float = 30.0
    input_bytes: int = 256 << 20
    connections: int = 4096
    connections_per_module: int = 2048
    handshakes: int = 512
    handshake_seconds: float = 5.0
    head_bytes: int = 16 << 10
    subscriptions: int = 4096
    pattern_tokens: int = 1 << 18
    routes: int = 8192
    requests: int = 4096
    awaited: int = 1 << 16
    farewell_seconds: float = 30.0
    silence_seconds: float = 7.5

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if value < 0 or (value == 0 and name != "silence_seconds"):
                raise ValueError(f"'{name}' must be more than 0")
        if self.frame_bytes > MAX_FRAME_BYTES:
            raise ValueError(f"'frame_bytes' may be at most {MAX_FRAME_BYTES}")


class Deduplication(msgspec.Struct, frozen=True, kw_only=True):
    """How long an event's id is remembered per source: whichever ends first."""

    seconds: float = 120.0
    ids: int = 100_000

    def __post_init__(self) -> None:
        if self.seconds <= 0 or self.ids <= 0:
            raise ValueError("'seconds' and 'ids' must be more than 0")


class HistoryConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What the Hub remembers of what it has handed out, for clients that resume and for replays.

    Args:
        bytes: how much of it at most; 0: nothing.
        seconds: for how long.
    """

    bytes: int = 4 << 20
    seconds: float = 300.0

    def __post_init__(self) -> None:
        if self.bytes < 0:
            raise ValueError("'bytes' must not be less than 0")
        if self.seconds <= 0:
            raise ValueError("'seconds' must be more than 0")


class StreamConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One of `hub.streams`: what it keeps, and how much of it.

    Args:
        subjects: patterns of the events.
        max_age: seconds after which an event goes.
        max_size: bytes of events at most; the oldest go first.
        max_events: how many of them at most.
        sync: what an acknowledged event outlives.
    """

    subjects: list[str]
    max_age: float | None = None
    max_size: int | None = None
    max_events: int | None = None
    sync: Sync = "full"

    def __post_init__(self) -> None:
        if not self.subjects:
            raise ValueError("'subjects' names no pattern")
        for pattern in self.subjects:
            if problem := pattern_problem(pattern):
                raise ValueError(f"'{pattern}' is no pattern: {problem}")
        for name in ("max_age", "max_size", "max_events"):
            bound = getattr(self, name)
            if bound is not None and bound <= 0:
                raise ValueError(f"'{name}' must be more than 0")


class HubConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The `hub:` section of `kite.yaml`, as the boot line brings it.

    Args:
        limits: see `Limits`.
        origins: further origins whose pages may connect.
        deduplication: see `Deduplication`.
        history: see `HistoryConfig`.
        hot_path: `auto` takes the compiled form where it is there.
        streams: what is kept, by name.
    """

    limits: Limits = Limits()
    origins: list[str] = []
    deduplication: Deduplication = Deduplication()
    history: HistoryConfig = HistoryConfig()
    hot_path: HotPath = "auto"
    streams: dict[str, StreamConfig] = {}


def read_config(section: dict[str, Any]) -> tuple[HubConfig, list[str]]:
    """The settings and what was wrong with the section, in words.

    The Launcher has checked the file that a person wrote and told them; here a key that is not
    known, or a value that cannot be used, costs that key alone: the Hub comes up.
    """
    problems: list[str] = []
    limits = _read(Limits, section.get("limits"), "limits", problems)
    window = _read(Deduplication, section.get("deduplication"), "deduplication", problems)
    history = _read(HistoryConfig, section.get("history"), "history", problems)
    origins = section.get("origins", [])
    if not isinstance(origins, list) or not all(isinstance(each, str) for each in origins):
        problems.append("'origins' is not a list of texts")
        origins = []
    hot_path = section.get("hot_path", "auto")
    if hot_path not in get_args(HotPath):
        problems.append(f"'hot_path' is none of {', '.join(get_args(HotPath))}")
        hot_path = "auto"
    known = set(HubConfig.__struct_fields__)
    problems += [f"'{key}' is not known" for key in section if _unknown(key, known)]
    config = HubConfig(
        limits=limits,
        origins=origins,
        deduplication=window,
        history=history,
        hot_path=hot_path,
        streams=_read_streams(section.get("streams"), problems),
    )
    return config, problems


def _read_streams(section: Any, problems: list[str]) -> dict[str, StreamConfig]:
    """Each stream whole, or not at all: half of its bounds would not be what was asked for."""
    if section is None:
        return {}
    if not isinstance(section, dict):
        problems.append("'streams' is not a mapping")
        return {}
    found = {}
    for name, values in section.items():
        if _unknown(name, set()):
            try:
                found[name] = msgspec.convert(values, StreamConfig)
            except msgspec.ValidationError as wrong:
                problems.append(f"'streams.{name}': {wrong}")
    return found


def _read(kind: type[_T], values: Any, at: str, problems: list[str]) -> _T:
    if values is None:
        return kind()
    if not isinstance(values, dict):
        problems.append(f"'{at}' is not a mapping")
        return kind()
    good: dict[str, Any] = {}
    for key, value in values.items():
        if key not in kind.__struct_fields__:
            if _unknown(key, set()):
                problems.append(f"'{at}.{key}' is not known")
            continue
        try:
            msgspec.convert({key: value}, kind)
        except msgspec.ValidationError as wrong:
            problems.append(f"'{at}.{key}': {wrong}")
            continue
        if kind is Limits and value < (least := HUB_LEAST.get(key, 0)):
            problems.append(f"'{at}.{key}' is {value}, expected is at least {least}")
        else:
            good[key] = value
    return msgspec.convert(good, kind)


def _unknown(key: str, known: set[str]) -> bool:
    return key not in known and not key.startswith("x-")
