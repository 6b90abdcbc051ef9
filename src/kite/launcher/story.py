"""What is told about a module's life, in words. Pure: steps in, lines out."""

from __future__ import annotations

import json
import signal as signals
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kite.launcher.progress import duration, instant, reason_of, state_word
from kite.locale import _
from kite.terminal import pad, paint, quoted

MAX_EVENT_CHARACTERS = 2000
MAX_NAMES = 4
QUOTED = 3
"""Of the last lines of a module that failed so many are shown beside the others."""
WRONG = 2
"""The exit status that errors of this kind have: wrong use or configuration."""
_MISSING_PROGRAMS = frozenset({"program_not_found", "not_executable"})


@dataclass(frozen=True, slots=True)
class Line:
    """One line about a module."""

    module: str
    text: str
    styles: tuple[str, ...] = ()


_Life = tuple[str, Any]
"""A module and one of its lives, as a step names it."""


class Story:
    """Remembers what a line must tell: when a start began, whether an end was asked for or told."""

    def __init__(self) -> None:
        self._began: dict[_Life, float] = {}
        self._stopping: set[_Life] = set()
        self._crashed: set[str] = set()

    def line(self, step: Mapping[str, Any], now: float, *, verbose: bool) -> Line | None:
        """The line for a step of `lifecycle.jsonl`; None when it is not worth one."""
        event, module = str(step.get("event")), str(step.get("module") or "launcher")
        at, life = instant(step.get("ts"), now), (module, step.get("life"))
        if event == "exited":
            return self._exited(life, step, verbose=verbose)
        if event == "starting":
            self._began[life] = at
            self._crashed.discard(module)
        elif event == "stopping":
            self._stopping.add(life)
        # Of a core module's crash its exit was told; one that only hangs has had no exit.
        is_told = event == "core_crash" and module in self._crashed
        if not verbose and (event not in _TOLD or is_told):
            return None
        if event == "started":
            return Line(module, self._started(life, step, at), ("green",))
        text, *styles = _words(event, step)
        return Line(module, text, tuple(styles))

    def _started(self, which: _Life, step: Mapping[str, Any], at: float) -> str:
        began = self._began.pop(which, None)
        pid, life = step.get("pid"), step.get("life")
        if began is None:
            text = _("started")
        else:
            text = _("started in {duration}").format(duration=duration(max(0.0, at - began)))
        if pid is not None:
            text += _(", pid {pid}").format(pid=pid)
        if isinstance(life, int) and life > 1:
            text += _(", life {life}").format(life=life)
        return text

    def _exited(self, which: _Life, step: Mapping[str, Any], *, verbose: bool) -> Line | None:
        how, module = exit_text(step.get("exit_code"), step.get("signal")), which[0]
        self._began.pop(which, None)
        if which in self._stopping:
            self._stopping.discard(which)
            return Line(module, how, ("dim",)) if verbose else None
        if step.get("exit_code") == 0:
            return Line(module, how)
        self._crashed.add(module)
        return Line(module, _("crashed: {how}").format(how=how), ("red",))


_TOLD = {
    *("started", "start_failed", "stopped", "restarting"),
    *("failed", "state_changed", "core_crash", "leftover", "changed", "watch_suspended"),
}
"""The steps that are told without `-v` (besides `exited`, which depends)."""


def _words(event: str, step: Mapping[str, Any]) -> tuple[str, ...]:
    """A step's sentence, then its styles."""
    reason = str(step.get("reason") or step.get("code") or "?")
    words: tuple[str, ...]
    match event:
        case "start_failed":
            words = (_("could not start: {reason}").format(reason=reason), "red")
        case "stopped":
            words = (_("stopped: {reason}").format(reason=reason), "dim")
        case "restarting":
            words = (_restarting(step), "yellow")
        case "failed" if "life" not in step and step.get("error"):  # its manifest is wrong
            words = (_("could not start: {reason}").format(reason=step["error"]), "red")
        case "failed":
            words = (_gave_up(step, reason), "red", "bold")
        case "state_changed":
            text = _("config state changed from {old} to {new}")
            words = (text.format(old=step.get("old"), new=step.get("new")),)
        case "core_crash":
            text = _("a core module is gone and Kite mends it: {reason}")
            words = (text.format(reason=reason), "red")
        case "changed":
            words = (_("changed: {files}").format(files=_files(step)), "cyan")
        case "watch_suspended":
            text = _("changes restart it no more, it seems to write them itself: {files}")
            words = (text.format(files=_files(step)), "yellow")
        case "leftover":
            text = _("ended what an earlier Kite left behind: pid {pid}")
            words = (text.format(pid=step.get("pid")), "yellow")
        case _:
            words = (_verbose_words(event, step, reason), "dim")
    return words


def _verbose_words(event: str, step: Mapping[str, Any], reason: str) -> str:
    """The sentences that only `-v` shows."""
    match event:
        case "starting":
            return _("starting")
        case "waiting":
            names = ", ".join(map(str, step.get("for") or ()))
            return _("waits for {names}").format(names=names)
        case "requested":
            text = _("{verb} asked for by {who}")
            return text.format(verb=step.get("verb"), who=step.get("by"))
        case "stopping":
            return _("stopping: {reason}").format(reason=reason)
        case "scanned":
            where, state = step.get("module_dir"), step.get("state")
            return _("found: {state}, in {folder}").format(state=state, folder=where)
        case _:
            return event


def _files(step: Mapping[str, Any]) -> str:
    files = [str(each) for each in step.get("files") or ()]
    more = ", …" if len(files) > MAX_NAMES else ""
    return ", ".join(files[:MAX_NAMES]) + more


def _gave_up(step: Mapping[str, Any], reason: str) -> str:
    if reason == "crashed" and not step.keys().isdisjoint({"exit_code", "signal"}):
        reason = exit_text(step.get("exit_code"), step.get("signal"))
    text = _("gave up: {reason}").format(reason=reason)
    if (wait := step.get("retry_in")) is not None:
        when = _("in {duration}").format(duration=duration(float(wait)))
        text += "; " + _("next try {when}").format(when=when)
    return text


def _restarting(step: Mapping[str, Any]) -> str:
    delay = step.get("delay")
    if isinstance(delay, int | float) and delay > 0:
        return _("restarting in {duration}").format(duration=duration(delay))
    return _("restarting")


def exit_text(exit_code: Any, signal: Any) -> str:
    """How a process ended: `exit status 3`, `killed by SIGSEGV`."""
    if signal is not None:
        return _("killed by {signal}").format(signal=signal_name(signal))
    return _("exit status {code}").format(code=exit_code)


def signal_name(signal: Any) -> str:
    """`SIGKILL` for 9 or `SIGKILL` or `KILL`; an unknown number as it is."""
    if isinstance(signal, int):
        try:
            return signals.Signals(signal).name
        except ValueError:
            return str(signal)
    text = str(signal)
    return text if text.startswith("SIG") else f"SIG{text}"


def event_text(event: Any) -> str:
    """One event on one line: subject, source, data as JSON (cut when it is long)."""
    data = json.dumps(getattr(event, "data", None), ensure_ascii=False, default=str)
    if len(data) > MAX_EVENT_CHARACTERS:
        data = data[:MAX_EVENT_CHARACTERS] + "…"
    source = getattr(event, "source", "") or ""
    return f"* {event.event} ({source}) {data}"


def phase_title(phase: str) -> str:
    """The heading over the modules that come up."""
    match phase:
        case "registry":
            return _("Kite is starting the Registry")
        case "event_hub":
            return _("Kite is starting the Event Hub")
        case "registry_ready":
            return _("Kite is connecting the Registry")
        case "modules" | "running":
            return _("Kite is starting the modules")
        case _:
            return _("Kite is starting")


def summary(
    records: Iterable[Mapping[str, Any]], urls: Mapping[str, str], seconds: float, *, color: bool
) -> list[str]:
    """What stands once the system has settled: how many run, who does not and why, where to look."""
    wanted = [record for record in records if record.get("desired_state") == "running"]
    amiss = [record for record in wanted if _is_amiss(record)]
    text = _("Kite is up after {duration}; modules running: {count}")
    text = text.format(count=count_running(wanted), duration=duration(seconds))
    lines = [paint(text, "bold", "yellow" if amiss else "green", color=color)]
    columns = max([0, *(len(str(record["name"])) for record in amiss), *map(len, urls)])
    for record in amiss:
        name = pad(str(record["name"]), columns)
        why = ": ".join(filter(None, [state_word(str(record["actual_state"])), reason_of(record)]))
        lines.append(f"  {name}  {paint(why, 'red', color=color)}")
        lines += [f"    {line}" for line in last_words(record, color=color)]
    for name, url in urls.items():
        lines.append(f"  {pad(name, columns)}  {paint(url, 'cyan', color=color)}")
    if amiss:
        lines.append(_("see why: {commands}").format(commands=asking_why(amiss)))
    lines.append(_("look around: kite ps, kite logs -f, kite events; end with Ctrl-C or q"))
    return lines


def last_words(about: Mapping[str, Any], *, color: bool) -> list[str]:
    """The end of `last_lines` in a record, or in a step of a module's life."""
    return quoted(about.get("last_lines"), most=QUOTED, color=color)


def standing(records: Sequence[Mapping[str, Any]]) -> str:
    """How many modules run and which have failed, on one line."""
    failed = [str(each["name"]) for each in records if each.get("actual_state") == "failed"]
    text = _("modules running: {count}").format(count=count_running(records))
    if not failed:
        return text
    return text + "; " + _("failed: {names}").format(names=", ".join(failed[:MAX_NAMES]))


def stopping() -> str:
    """What is said when everything is being ended."""
    return _("stopping everything …")


def count_running(records: Iterable[Mapping[str, Any]]) -> int:
    """How many run, without the Launcher itself: as many as a person has seen come up."""
    return sum(
        record.get("actual_state") == "running" and record.get("name") != "launcher"
        for record in records
    )


def asking_why(amiss: Iterable[Mapping[str, Any]]) -> str:
    """What to type to learn why these modules are not there, from their records.

    A module that fails by a mistake somebody wrote has no log, and one that only waits says for whom.
    """
    failed = [record for record in amiss if record.get("actual_state") != "waiting"]
    written = [record for record in failed if _is_written_mistake(record.get("error_code"))]
    logged = [str(record["name"]) for record in failed if record not in written]
    commands = ["kite check"] if written else []
    if logged:
        commands.append("kite logs " + " ".join(logged[:MAX_NAMES]))
    return ", ".join(commands or ["kite ps"])


def _is_written_mistake(code: object) -> bool:
    """Whether `kite check` finds what the code stands for."""
    from kite.errors import error_kinds  # noqa: PLC0415  (seldom needed)

    kind = error_kinds().get(str(code))
    return kind is not None and (kind.exit == WRONG or code in _MISSING_PROGRAMS)


def _is_amiss(record: Mapping[str, Any]) -> bool:
    """Desired running and neither there nor only waiting for its schedule."""
    match record.get("actual_state"):
        case "failed" | "starting" | "backing_off":
            return True
        case "waiting":
            return bool(record.get("error") or record.get("waiting_for"))
        case _:
            return False
