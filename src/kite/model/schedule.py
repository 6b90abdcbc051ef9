"""When a job runs: a cron expression in a time zone, or an interval."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from enum import StrEnum

import msgspec

from kite.model import kinds, phrases
from kite.model.fields import Fields, Wrong
from kite.model.node import Node


class Missed(StrEnum):
    """What becomes of runs whose time passed while Kite was not there or the job still ran."""

    ONCE = "once"
    SKIP = "skip"


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """Either `cron` or `interval` is set.

    Args:
        cron: five fields, Debian's meaning (daylight saving included).
        interval: seconds from the start of a run to the next.
        timezone: of the cron expression; empty is the machine's own.
        missed: `once` makes up for any number of missed runs with one, `skip` waits for the next.
    """

    cron: str | None = None
    interval: float | None = None
    timezone: str = ""
    missed: Missed = Missed.ONCE

    def next_run(self, after: float) -> float:
        """When the first run after an instant is due.

        Args:
            after: seconds since 1970-01-01 UTC.

        Returns:
            Seconds since 1970-01-01 UTC; infinity when a cron expression never comes true again.
        """
        if self.interval is not None:
            return after + self.interval
        from cronsim import CronSim  # noqa: PLC0415  (few modules have a schedule)

        assert self.cron is not None
        moment = datetime.fromtimestamp(after, UTC).astimezone(_zone(self.timezone))
        due = next(CronSim(self.cron, moment), None)
        return due.timestamp() if due else float("inf")


def _zone(name: str) -> tzinfo | None:
    from zoneinfo import ZoneInfo  # noqa: PLC0415  (likewise)

    if name:
        return ZoneInfo(name)
    return _local_zone()


def _local_zone() -> tzinfo | None:
    # A fixed offset would be wrong on the other side of a clock change: take the rules themselves.
    from pathlib import Path  # noqa: PLC0415  (likewise)
    from zoneinfo import ZoneInfo  # noqa: PLC0415  (likewise)

    try:
        with Path("/etc/localtime").open("rb") as rules:
            return ZoneInfo.from_file(rules)
    except (OSError, ValueError):
        return None


def read_schedule(fields: Fields) -> Schedule | None:
    """The `schedule:` key of a manifest: a cron expression, or a mapping."""
    node = fields.node.value.get("schedule")
    if node is not None and isinstance(node.value, str):
        cron = fields.read("schedule", _cron, None)
        return Schedule(cron=cron) if cron else None
    inner = fields.section("schedule", phrases.SCHEDULE)
    if inner is None:
        return None
    if inner.has("cron") == inner.has("interval"):
        inner.mistakes.add("schedule_ambiguous", inner.node.location)
    schedule = Schedule(
        cron=inner.read("cron", _cron, None),
        interval=inner.read("interval", kinds.some_seconds, None),
        timezone=inner.read("timezone", _timezone, ""),
        missed=inner.read("missed", kinds.one_of(Missed), Missed.ONCE),
    )
    inner.finish()
    return schedule


def _cron(node: Node) -> str:
    from cronsim import CronSim, CronSimError  # noqa: PLC0415  (few modules have a schedule)

    text = kinds.text(node)
    # A sixth field would be seconds: an interval says that better.
    if len(text.split()) != 5:
        raise Wrong(phrases.CRON)
    try:
        CronSim(text, datetime.now(UTC))
    except CronSimError:
        raise Wrong(phrases.CRON) from None
    return text


def _timezone(node: Node) -> str:
    from zoneinfo import ZoneInfo  # noqa: PLC0415  (likewise)

    try:
        return ZoneInfo(kinds.filled(node)).key
    except (ValueError, OSError, LookupError):
        raise Wrong(phrases.TIMEZONE) from None
