"""`kite ps`: the modules and their states."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

import kite
from kite import terminal
from kite.cli import mistakes, report
from kite.cli.command import Verb
from kite.cli.figures import size
from kite.cli.session import Session
from kite.cli.table import Cell, table
from kite.cli.top_modules import percent
from kite.launcher.progress import duration, instant, reason_of, state_color, state_word
from kite.locale import _

DAY = 86400.0
CORE = ("launcher", "registry", "event_hub")
USUAL = frozenset(
    {
        "stop_requested",
        "restart",
        "system_shutdown",
        "unhealthy",
        "memory_limit",
        "disabled",
        "removed",
    }
)
"""Reasons of a stop that are nobody's own words (CONTRACT, section 7)."""
EXTENSIONS = str(Path(kite.__file__).parent / "extensions")


@click.command(
    cls=Verb,
    help=_(
        "List the modules: their state, process and uptime, and why one is not running;"
        " below the table, on standard error, the last line of each that failed, and what was"
        " found and left out."
        " With --json exactly the document of GET /launcher/modules."
    ),
)
@click.pass_obj
def ps(session: Session) -> None:
    control = session.control()
    answer = control.get("/launcher/modules")
    if session.wants_json:
        sys.stdout.flush()
        sys.stdout.buffer.write(answer.body.rstrip(b"\n") + b"\n")
        return
    import time

    columns = report.stdout_columns()
    color = terminal.wants_color(sys.stdout, os.environ)
    for line in lines(answer.json()["modules"], time.time(), color=color, columns=columns):
        print(line)
    sys.stdout.flush()
    for line in last_words(answer.json()["modules"]):
        report.say(line)
    if (of := Path(control.project)) != session.project_dir():  # KITE_INSTANCE_DIR leads elsewhere
        report.say(_("these are the modules of {project}").format(project=of))
    for line in mistakes.unlisted(control.get("/launcher").json()):
        report.say(line)


def last_words(records: list[Mapping[str, Any]]) -> list[str]:
    """For each module that stands there because it failed the last line that it printed."""
    color = terminal.wants_color(sys.stderr, os.environ)
    said = {
        name: terminal.quoted(words, most=1, color=color)
        for record in sorted(records, key=_place)
        for name, words in _words(record)
    }
    columns = max((len(name) for name, lines in said.items() if lines), default=0)
    return [
        f"{terminal.pad(name, columns)} {line}" for name, lines in said.items() for line in lines
    ]


def _words(record: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """What a module printed before it failed; of several replicas each on its own, as `crew/1`."""
    name, replicas = str(record["name"]), record.get("replicas") or ()
    if len(replicas) < 2:
        return [(name, record.get("last_lines"))]
    return [(f"{name}/{each['replica']}", each.get("last_lines")) for each in replicas]


def lines(
    records: list[Mapping[str, Any]], now: float, *, color: bool, columns: int | None = None
) -> list[str]:
    """The table: the core, the extensions, then by name. `now` is in seconds since 1970 UTC."""
    headers = [
        _("NAME"), _("STATE"), _("PID"), _("UPTIME"), _("RESTARTS"), _("CPU"), _("MEM"), _("NOTE"),
    ]  # fmt: skip
    rows: list[list[str | Cell]] = [
        [
            str(record["name"]),
            Cell(state_word(state := str(record["actual_state"])), (state_color(state),)),
            str(record.get("pid") or "-"),
            uptime(record.get("uptime")),
            str(record.get("restarts") or 0),
            percent(record.get("cpu_percent")),
            memory(record.get("memory_bytes")),
            note(record, now),
        ]
        for record in sorted(records, key=_place)
    ]
    right, spare = frozenset({2, 3, 4, 5, 6}), (5, 6, 4, 3, 2)
    return table(headers, rows, color=color, columns=columns, right=right, spare=spare)


def _place(record: Mapping[str, Any]) -> tuple[int, int, str]:
    name, folder = str(record["name"]), str(record.get("module_dir") or "")
    if name in CORE:
        return (0, CORE.index(name), "")
    return (1 if folder.startswith(f"{EXTENSIONS}{os.sep}") else 2, 0, name)


def uptime(seconds: float | None) -> str:
    """A running time in one or two units: `4 s`, `3 m 20 s`, `2 h 5 m`, `3 d 4 h`."""
    if seconds is None:
        return "-"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60} s"
    if whole < DAY:
        return f"{whole // 3600} h {whole % 3600 // 60} m"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def crash_loop_words(record: Mapping[str, Any]) -> str:
    """Whether a module that was given up is, or will be, tried again."""
    words = {"open": _("crash loop"), "half_open": _("on trial after a crash loop")}
    return words.get(str(record.get("crash_loop")), "")


def health_words(record: Mapping[str, Any]) -> str:
    """That it does not do well, and what showed it."""
    health = record.get("health") or {}
    status, detail = health.get("status"), health.get("detail") or ""
    if status == "degraded":
        return _("degraded: {detail}").format(detail=detail)
    if status == "unhealthy":
        return _("unhealthy: {detail}").format(detail=detail)
    return ""


def next_words(record: Mapping[str, Any], now: float) -> str:
    """When it is tried or run next."""
    following = record.get("next_try")
    if not following:
        return ""
    wait = instant(following, now) - now
    when = _("in {duration}").format(duration=duration(wait)) if wait > 0 else str(following)
    is_run = record.get("actual_state") == "stopped"
    return (_("next run {when}") if is_run else _("next try {when}")).format(when=when)


def _replicas(record: Mapping[str, Any], now: float) -> list[str]:
    """How many of several are ready, and what is the matter with the others that have a matter."""
    replicas = record.get("replicas") or ()
    if len(replicas) < 2:
        return []
    ready = sum(each["actual_state"] == "running" for each in replicas)
    parts = [_("{ready} of {count} ready").format(ready=ready, count=len(replicas))]
    for each in replicas:
        has_failed = each["actual_state"] in ("backing_off", "failed")
        state = state_word(each["actual_state"]) if has_failed else ""
        coming = next_words(each, now) if has_failed else ""
        said = [crash_loop_words(each) or state, health_words(each), coming]
        if words := ", ".join(word for word in said if word):
            which = _("replica {replica}").format(replica=each["replica"])
            parts.append(f"{which}: {words}")
    return parts


def memory(number: int | None) -> str:
    """Bytes: `900 KiB`, `12.3 MiB`."""
    return "-" if number is None else size(number)


def note(record: Mapping[str, Any], now: float) -> str:
    """What else there is to say about a module in one line."""
    from kite.launcher.story import exit_text

    parts: list[str] = []
    config, state = record.get("config_state"), record.get("actual_state")
    # The signal that ends a stop on request is no accident, and reads like one; and how the last
    # process ended is no news of one that is there or is about to be.
    was_asked = state == "stopped" and record.get("desired_state") == "stopped"
    is_over = state in ("stopped", "backing_off", "failed") and not was_asked
    has_ended = record.get("exit_code") is not None or record.get("signal") is not None
    if config == "disabled":
        parts.append(_("disabled"))
    elif config == "manual" and state == "stopped":
        parts.append(_("manual"))
    replicas = _replicas(record, now)
    if (loop := crash_loop_words(record)) and not replicas:
        parts.append(loop)
    if why := reason_of(record, now):
        parts.append(why)
    elif state == "stopped" and (said := record.get("reason")) and said not in USUAL:
        parts.append(_("stopped: {reason}").format(reason=said))
    elif is_over and has_ended:
        parts.append(exit_text(record.get("exit_code"), record.get("signal")))
    parts += replicas
    if record.get("rolling"):
        parts.append(_("rolling restart"))
    if state == "running" and not replicas and (ill := health_words(record)):
        parts.append(ill)
    if not (replicas and state != "stopped") and (following := next_words(record, now)):
        parts.append(following)
    if idle := record.get("unenforced"):
        names = ", ".join(f"limits.{each}" for each in idle)
        parts.append(_("{names} is not enforced here").format(names=names))
    return "; ".join(parts)
