"""The coming up of a system as rows: who is starting, waiting, ready or failed, and for how long.

Pure: steps of `lifecycle.jsonl` (or records of the API) and the time come in, lines come out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kite.locale import _
from kite.terminal import fit, pad, paint, width

ROW_ORDER = ("failed", "starting", "backing_off", "stopping", "waiting", "running", "stopped")


@dataclass(slots=True, kw_only=True)
class Row:
    """One module on the way up.

    Args:
        state: an actual state of CONTRACT, section 4.
        since: when the start began, in seconds since 1970 UTC.
        seconds: how long the start took, once it is over.
        note: why it waits or failed.
    """

    name: str
    state: str
    since: float = 0.0
    seconds: float | None = None
    note: str = ""


class Progress:
    """Rows by module name, in the order in which they were first heard of."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}

    @property
    def is_moving(self) -> bool:
        """Whether a clock runs that a person would like to see."""
        return any(row.state == "starting" for row in self.rows.values())

    def step(self, step: Mapping[str, Any], now: float) -> None:
        """Take in one step of `lifecycle.jsonl`; `now` stands in for a missing `ts`."""
        name = step.get("module")
        if not name:
            return
        at = instant(step.get("ts"), now)
        match step.get("event"):
            case "starting":
                self._row(name, "starting", since=at)
            case "started":
                row = self._row(name, "running")
                row.seconds = max(0.0, at - row.since) if row.since else None
            case "start_failed" | "failed":
                row = self._row(name, "failed", note=str(step.get("reason") or ""))
            case "restarting":
                self._row(name, "backing_off")
            case "stopping":
                self._row(name, "stopping")
            case "stopped" if name in self.rows:
                self._row(name, "stopped")

    def record(self, record: Mapping[str, Any], now: float) -> None:
        """Take in one module's record from the Launcher's API."""
        name, state = str(record["name"]), str(record.get("actual_state"))
        if state == "stopped" and record.get("desired_state") != "running":
            self.rows.pop(name, None)
            return
        known = self.rows.get(name)
        changed = known is None or known.state != state
        row = self._row(name, state, note=reason_of(record))
        if state == "starting" and changed:
            row.since, row.seconds = now, None
        elif state == "running" and changed and known is not None and known.since:
            row.seconds = max(0.0, now - known.since)

    def lines(self, now: float, *, columns: int, rows: int, color: bool) -> list[str]:
        """What to draw, at most `rows` lines of at most `columns` columns.

        When there is not room for all, those that are not ready come first and the rest is counted.
        """
        shown = list(self.rows.values())
        hidden = 0
        if len(shown) > rows > 0:
            shown.sort(key=lambda row: _rank(row.state))
            hidden = len(shown) - (rows - 1)
            shown = shown[: rows - 1]
        names = min(max((len(row.name) for row in shown), default=0), 24)
        drawn = [_line(row, now, names=names, columns=columns, color=color) for row in shown]
        if hidden:
            drawn.append("  " + fit(_("… and {count} more").format(count=hidden), columns - 2))
        return drawn

    def _row(self, name: str, state: str, *, since: float = 0.0, note: str = "") -> Row:
        row = self.rows.setdefault(name, Row(name=name, state=state))
        row.state, row.note = state, note
        if since:
            row.since, row.seconds = since, None
        return row


def state_word(state: str) -> str:
    """An actual state in the reader's language."""
    return {
        "stopped": _("stopped"),
        "waiting": _("waiting"),
        "starting": _("starting"),
        "running": _("running"),
        "stopping": _("stopping"),
        "backing_off": _("backing off"),
        "failed": _("failed"),
    }.get(state, state)


def state_color(state: str) -> str:
    """The colour of an actual state."""
    match state:
        case "running":
            return "green"
        case "failed":
            return "red"
        case "stopped":
            return "dim"
        case _:
            return "yellow"


def reason_of(record: Mapping[str, Any], now: float | None = None) -> str:
    """Why a module is not ready, from its record: its error, or what it waits for.

    Where `now` is given (seconds since 1970 UTC), how long it has waited stands there too.
    """
    if error := record.get("error"):
        params = record.get("error_params")
        if isinstance(params, Mapping):
            error = {"code": record.get("error_code"), "params": params, "message": error}
        return error_text(error)
    waiting = _awaited(record.get("waiting_on") or ())
    if not waiting and (names := _names(record.get("waiting_for"))):
        waiting = _("waits for {names}").format(names=", ".join(names))
    if waiting and now is not None and record.get("state_since"):
        seconds = max(0.0, now - instant(record["state_since"], now))
        waiting += ", " + duration(seconds)
    return waiting


def _awaited(missing: Iterable[Mapping[str, Any]]) -> str:
    """What is waited for and how far it has to be, from a record's `waiting_on`."""
    groups: dict[str, list[str]] = {}
    for each in missing:
        groups.setdefault(str(each.get("condition")), []).append(str(each.get("name")))
    said = {
        "ready": _("waits for {names} to be ready"),
        "started": _("waits for {names} to be started"),
        "completed": _("waits for {names} to be completed"),
    }
    unknown = _("waits for {names}")
    parts = [
        said.get(condition, unknown).format(names=", ".join(names))
        for condition, names in groups.items()
    ]
    return "; ".join(parts)


def error_text(error: Any) -> str:
    """A record's `error` as a sentence: it is text, or an object with `code`, `params`, `message`."""
    if isinstance(error, Mapping):
        from kite.errors import KiteError, error_kinds  # noqa: PLC0415  (seldom needed)

        code, params = error.get("code"), error.get("params")
        if code in error_kinds() and isinstance(params, Mapping):
            return KiteError(code, **{str(key): value for key, value in params.items()}).message
        return str(error.get("message") or error.get("detail") or code or "")
    return str(error or "")


def duration(seconds: float) -> str:
    """A short time as people say it: `112 ms`, `1.42 s`, `3 min 20 s`."""
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def instant(text: object, default: float) -> float:
    """Seconds since 1970 UTC of an RFC 3339 text, or `default`."""
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return default


def _names(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [str(name) for name in value] if isinstance(value, Iterable) else []


def _rank(state: str) -> int:
    return ROW_ORDER.index(state) if state in ROW_ORDER else 0


def _line(row: Row, now: float, *, names: int, columns: int, color: bool) -> str:
    elapsed = row.seconds
    if elapsed is None and row.state == "starting":
        elapsed = max(0.0, now - row.since)
    states = max(width(state_word(state)) for state in ROW_ORDER)
    head = f"  {pad(fit(row.name, names), names)}  "
    word = state_word(row.state)
    tail = f"  {duration(elapsed) if elapsed is not None else '':>8}  {row.note}".rstrip()
    room = columns - width(head) - states
    if room < 0:
        return fit(head + word, columns)
    gap = " " * (states - width(word)) if tail else ""
    return head + paint(word, state_color(row.state), color=color) + gap + fit(tail, room)
