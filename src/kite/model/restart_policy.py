"""What a manifest says about starting again, and about stopping."""

from __future__ import annotations

from enum import StrEnum
from signal import Signals

import msgspec

from kite.model import kinds, phrases
from kite.model.fields import Fields, Wrong
from kite.model.node import Node


class RestartPolicy(StrEnum):
    """When an exit that nobody asked for is followed by another life."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    NEVER = "never"


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait before a restart, in seconds; each wait is `factor` times the one before.

    In a manifest it may also be a number: `backoff: 2` is `backoff: {initial: 2}`.
    """

    initial: float = 0.5
    max: float = 30.0
    factor: float = 2.0

    def delay(self, n: int) -> float:
        """Seconds before the n-th delayed restart in a row, n from 1 (the first restart in a window
        is not delayed and does not count here).

        >>> [Backoff(initial=1, max=5).delay(n) for n in (1, 2, 3, 4)]
        [1.0, 2.0, 4.0, 5.0]
        """
        # The exponent is bounded: 2.0 ** 5000 is an error, and the wait is at its maximum by then.
        return min(self.max, self.initial * self.factor ** min(n - 1, 64))


class Restart(msgspec.Struct, frozen=True, kw_only=True):
    """The restart budget: the `max`-th failure within `window` seconds gives up.

    Args:
        policy: None where the manifest says nothing: `Graph.policy` knows the default.
        max: failures, the last of which gives up.
        window: seconds.
        backoff: the waits between restarts.
        retry: try again at growing intervals after giving up.
        success: exit statuses and names of signals that count as exit 0 does.
    """

    policy: RestartPolicy | None = None
    max: int = 3
    window: float = 75.0
    backoff: Backoff = Backoff()
    retry: bool = True
    success: tuple[int | str, ...] = ()

    @property
    def good_statuses(self) -> frozenset[int]:
        """The exit statuses that are no failure; 0 is always one."""
        return frozenset({0, *(each for each in self.success if isinstance(each, int))})

    @property
    def good_signals(self) -> frozenset[int]:
        """The numbers of the signals by which to end is no failure."""
        return frozenset(int(Signals[each]) for each in self.success if isinstance(each, str))


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """How a module is asked to go: the signal's name, and the seconds it has."""

    signal: str = "SIGTERM"
    timeout: float = 10.0

    @property
    def number(self) -> Signals:
        """The signal itself."""
        return Signals[self.signal]


def read_restart(fields: Fields | None, launch_timeout: float) -> Restart:
    """The `restart:` section; the window's default follows the launch timeout."""
    window = max(60.0, 5 * launch_timeout)
    if fields is None:
        return Restart(window=window)
    restart = Restart(
        policy=fields.read("policy", kinds.one_of(RestartPolicy), None),
        max=fields.read("max", kinds.count, 3),
        window=fields.read("window", kinds.some_seconds, window),
        backoff=_backoff(fields),
        retry=fields.read("retry", kinds.boolean, True),
        success=tuple(fields.list("success", _success, phrases.LIST) or ()),
    )
    fields.finish()
    return restart


def _backoff(fields: Fields) -> Backoff:
    node = fields.node.value.get("backoff")
    if node is None or not isinstance(node.value, dict):
        initial = fields.read("backoff", _initial, 0.5)
        return Backoff(initial=initial, max=max(30.0, initial))
    inner = fields.section("backoff")
    assert inner is not None
    initial = inner.read("initial", kinds.seconds, 0.5)
    backoff = Backoff(
        initial=initial,
        max=inner.read("max", kinds.seconds, max(30.0, initial)),
        factor=inner.read("factor", kinds.number(1, 100, phrases.FACTOR), 2.0),
    )
    inner.finish()
    return backoff


def _initial(node: Node) -> float:
    try:
        return kinds.seconds(node)
    except Wrong:
        raise Wrong(phrases.BACKOFF) from None


def read_stop(fields: Fields | None) -> Stop:
    """The `stop:` section."""
    if fields is None:
        return Stop()
    stop = Stop(
        signal=fields.read("signal", _signal, "SIGTERM"),
        timeout=fields.read("timeout", kinds.seconds, 10.0),
    )
    fields.finish()
    return stop


def _success(node: Node) -> int | str:
    value = node.value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255:
        return value
    try:
        return _signal(node)
    except Wrong:
        raise Wrong(phrases.SUCCESS) from None


def _signal(node: Node) -> str:
    name = node.value.upper() if isinstance(node.value, str) else ""
    name = name if name.startswith("SIG") else f"SIG{name}"
    if name not in Signals.__members__:
        raise Wrong(phrases.SIGNAL)
    return name
