"""How a program that knows nothing of Kite is asked whether it is ready, or well.

`http: URL` passes on an answer 200 to 399, `tcp: PORT` on a connection, `exec: [ARGS]` on exit 0,
`log: REGEX` once a line of output holds a match. Texts may hold `${KITE_…}`.
"""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import Final

import msgspec

from kite.hang import Heartbeat
from kite.model import kinds, phrases
from kite.model.fields import Fields, Wrong
from kite.model.node import Node
from kite.model.variables import Sample

SHORTEST_BEAT: Final = 10.0
"""Seconds: what the Hub's pings can tell."""


class ProbeKind(StrEnum):
    """The ways to ask."""

    HTTP = "http"
    TCP = "tcp"
    LOG = "log"
    EXEC = "exec"


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """One question, asked again every `interval` seconds until it passes.

    Args:
        kind: how to ask.
        target: the URL, the port (as text) or the regular expression; empty for `exec`.
        command: the program and its arguments; for `exec` alone.
        interval: seconds from one attempt to the next; `log` needs none.
        timeout: seconds one attempt may take.
    """

    kind: ProbeKind
    target: str = ""
    command: tuple[str, ...] = ()
    interval: float = 0.25
    timeout: float = 2.0


class HealthProbe(msgspec.Struct, frozen=True, kw_only=True):
    """A question that goes on while the module runs.

    Args:
        probe: the question; its interval is 10 s unless said otherwise.
        failures: so many in a row make it unhealthy.
        successes: so many in a row make it well again.
        start_period: seconds after ready in which failures do not count.
    """

    probe: Probe
    failures: int = 3
    successes: int = 1
    start_period: float = 0.0


def port_number(text: str) -> int | None:
    """The port that an expanded `tcp:` text names, or None when it names none."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 5 else 0
    return number if 1 <= number <= 65535 else None


def read_ready(fields: Fields | None, sample: Sample) -> Probe | None:
    """The `ready:` section."""
    if fields is None:
        return None
    probe = _probe(fields, sample, tuple(ProbeKind), phrases.PROBE, interval=0.25)
    fields.finish()
    return probe


def read_health(fields: Fields | None, sample: Sample) -> tuple[HealthProbe | None, Heartbeat]:
    """The `health:` section: a probe, what is said about heartbeats, or both."""
    if fields is None:
        return None, Heartbeat()
    allowed = (ProbeKind.HTTP, ProbeKind.TCP, ProbeKind.EXEC)
    unsaid: tuple[bool, float | None] = (True, None)
    watched, seconds = fields.read("heartbeat", _beat, unsaid)
    failures = fields.read("failures", kinds.count, None)
    start_period = fields.read("start_period", kinds.seconds, 0.0)
    beat = Heartbeat(watched=watched, seconds=seconds, failures=failures, start_period=start_period)
    if fields.has("heartbeat") and not any(fields.has(kind) for kind in allowed):
        fields.finish()
        return None, beat
    probe = _probe(fields, sample, allowed, phrases.HEALTH_PROBE, interval=10.0)
    successes = fields.read("successes", kinds.count, 1)
    fields.finish()
    if probe is None:
        return None, beat
    health = HealthProbe(
        probe=probe, failures=failures or 3, successes=successes, start_period=start_period
    )
    return health, beat


def _beat(node: Node) -> tuple[bool, float | None]:
    """Whether it is watched, and how often it must be heard."""
    if isinstance(node.value, bool):
        return node.value, None
    try:
        return True, kinds.at_least(SHORTEST_BEAT, kinds.some_seconds)(node)
    except Wrong:
        raise Wrong(phrases.HEARTBEAT) from None


def _probe(
    fields: Fields, sample: Sample, allowed: tuple[ProbeKind, ...], expected: str, interval: float
) -> Probe | None:
    found = [kind for kind in allowed if fields.has(kind)]
    if len(found) != 1:
        code = "probe_missing" if not found else "probe_ambiguous"
        fields.mistakes.add(
            code, fields.node.location, key=fields.path[:-1], found=", ".join(found),
            expected=expected,
        )  # fmt: skip
    target = ""
    command: tuple[str, ...] = ()
    for kind in allowed:
        if kind is ProbeKind.EXEC:
            command = tuple(read_command(fields, kind, sample) or ())
        else:
            target = fields.read(kind, partial(_target, kind=kind, sample=sample), target)
    probe_interval = fields.read("interval", kinds.some_seconds, interval)
    timeout = fields.read("timeout", kinds.some_seconds, 2.0)
    if len(found) != 1:
        return None
    return Probe(
        kind=found[0], target=target, command=command, interval=probe_interval, timeout=timeout
    )


def read_command(fields: Fields, key: str, sample: Sample) -> list[str] | None:
    """A list of arguments, the program first, in which variables may stand."""

    def argument(node: Node) -> str:
        sample.expand(kinds.text(node))
        return kinds.text(node)

    found = fields.list(key, argument, phrases.ARGUMENTS)
    node = fields.node.value.get(key)
    if found is not None and (not node.value or node.value[0].value == ""):
        fields.wrong(key, node, phrases.ARGUMENTS)
    return found


def _target(node: Node, kind: ProbeKind, sample: Sample) -> str:
    if kind is ProbeKind.TCP:
        return _port(node, sample)
    text = kinds.filled(node)
    expanded = sample.expand(text)
    if kind is ProbeKind.LOG:
        kinds.regex(msgspec.structs.replace(node, value=expanded))
    elif kinds.split_url(expanded) is None:
        raise Wrong(phrases.URL)
    return text


def _port(node: Node, sample: Sample) -> str:
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise Wrong(phrases.PORT_OR_VARIABLE)
    text = str(value)
    if port_number(sample.expand(text)) is None:
        raise Wrong(phrases.PORT_OR_VARIABLE)
    return text
