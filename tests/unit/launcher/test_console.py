"""What `kite up` shows, as golden text."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest

from kite.clock import rfc3339
from kite.launcher.console import Console
from kite.launcher.story import asking_why
from kite.wire.frame import Event

START = 1_800_000_000.0


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = START

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A screen of lines, as a terminal would show what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = [""]
        self.row = self.column = 0
        self.redrawn = 0

    def write(self, text: str) -> int:
        for part in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|\n|\r|[^\x1b\n\r]+", text):
            self._part(part)
        return len(text)

    def _part(self, part: str) -> None:
        line = self.lines[self.row]
        if part == "\n":
            self.row, self.column = self.row + 1, 0
            if self.row == len(self.lines):
                self.lines.append("")
        elif part == "\r":
            self.column = 0
        elif part == "\x1b[K":
            self.lines[self.row] = line[: self.column]
        elif part == "\x1b[J":
            self.lines[self.row] = line[: self.column]
            del self.lines[self.row + 1 :]
        elif up := re.fullmatch(r"\x1b\[(\d+)A", part):
            self.row -= int(up.group(1))
            self.redrawn += 1
            assert self.row >= 0, "the cursor was moved above the screen"
        elif not part.startswith("\x1b"):
            self.lines[self.row] = line[: self.column] + part + line[self.column + len(part) :]
            self.column += len(part)

    @property
    def shown(self) -> list[str]:
        return [line.rstrip() for line in self.lines if line.strip()]


class Scene:
    """A console and the clock that it reads."""

    def __init__(self, stream: io.StringIO, **options: Any) -> None:
        self.clock = Hand()
        options = {"color": False, "tty": False, **options}
        self.console = Console(stream, clock=self.clock, **options)

    def step(self, event: str, module: str, *, after: float = 0.0, **fields: Any) -> None:
        self.clock.now += after
        ts = rfc3339(self.clock.now)
        self.console.step({"ts": ts, "event": event, "module": module, **fields})


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITE_LANG", "en")


def come_up(scene: Scene) -> None:
    scene.console.phase("registry")
    scene.step("starting", "registry", life=1)
    scene.step("started", "registry", after=0.112, pid=10, life=1)
    scene.console.phase("modules")
    scene.step("scanned", "web", state="enabled", module_dir="/p/modules/web")
    scene.step("starting", "web", life=1)
    scene.console.output("web", "listening")
    scene.step("started", "web", after=0.5, pid=11, life=1)
    scene.step("starting", "index", life=1)


def test_off_a_terminal_everything_is_plain_lines() -> None:
    stream = io.StringIO()
    scene = Scene(stream)
    come_up(scene)
    assert stream.getvalue().splitlines() == [
        "registry  = started in 112 ms, pid 10",
        "web       | listening",
        "web       = started in 500 ms, pid 11",
    ]


def test_a_crash_is_told_with_what_follows() -> None:
    stream = io.StringIO()
    scene = Scene(stream)
    come_up(scene)
    scene.step("exited", "web", exit_code=3)
    scene.step("restarting", "web", delay=0.5)
    scene.step("starting", "web", after=0.5, life=2)
    scene.step("started", "web", after=0.08, pid=12, life=2)
    scene.step("exited", "web", signal=11)
    scene.step("restarting", "web")
    scene.step("failed", "web", life=2, reason="crashed", signal=11, retry_in=60.0, error="…")
    assert stream.getvalue().splitlines()[3:] == [
        "web       = crashed: exit status 3",
        "web       = restarting in 500 ms",
        "web       = started in 80 ms, pid 12, life 2",
        "web       = crashed: killed by SIGSEGV",
        "web       = restarting",
        "web       = gave up: killed by SIGSEGV; next try in 1 min 0 s",
    ]


def test_a_broken_manifest_is_told_as_text_and_nothing_gave_up() -> None:
    stream = io.StringIO()
    text = "module.md:3: the key 'commnd' is unknown"
    Scene(stream).step("failed", "web", reason="unknown_key_near", error=text)
    assert stream.getvalue() == f"web       = could not start: {text}\n"


def test_an_end_that_was_asked_for_is_no_crash() -> None:
    stream = io.StringIO()
    scene = Scene(stream)
    scene.step("stopping", "web", reason="stop_requested")
    scene.step("exited", "web", signal=15)
    scene.step("stopped", "web", reason="stop_requested")
    assert stream.getvalue().splitlines() == ["web       = stopped: stop_requested"]


def test_verbose_tells_every_step_and_event() -> None:
    stream = io.StringIO()
    scene = Scene(stream, verbose=True)
    scene.console.header({"pid": "7", "KITE_CWD": "/p"})
    come_up(scene)
    scene.console.event(Event(event="docs.changed", source="web", data={"path": "文件.md"}))
    scene.step("stopping", "web", reason="restart")
    scene.step("exited", "web", exit_code=0)
    assert stream.getvalue().splitlines() == [
        "pid       7",
        "KITE_CWD  /p",
        "phase registry",
        "registry  = starting",
        "registry  = started in 112 ms, pid 10",
        "phase modules",
        "web       = found: enabled, in /p/modules/web",
        "web       = starting",
        "web       | listening",
        "web       = started in 500 ms, pid 11",
        "index     = starting",
        '* docs.changed (web) {"path": "文件.md"}',
        "web       = stopping: restart",
        "web       = exit status 0",
    ]


def test_without_verbose_neither_header_nor_events() -> None:
    stream = io.StringIO()
    scene = Scene(stream)
    scene.console.header({"pid": "7"})
    scene.console.event(Event(event="a.b", source="web"))
    assert stream.getvalue() == ""


def test_quiet_hides_output_and_nothing_else() -> None:
    stream = io.StringIO()
    scene = Scene(stream, quiet=True)
    come_up(scene)
    assert "listening" not in stream.getvalue()
    assert "web       = started" in stream.getvalue()


def test_what_core_modules_print_is_for_verbose() -> None:
    shown = []
    for verbose in (False, True):
        stream = io.StringIO()
        Scene(stream, verbose=verbose).console.output("registry", "registry.started port=1")
        shown.append(stream.getvalue())
    assert shown == ["", "registry  | registry.started port=1\n"]


def test_standard_error_has_its_own_mark_where_there_is_no_colour() -> None:
    stream = io.StringIO()
    Scene(stream).console.output("web", "oops", is_error=True)
    assert stream.getvalue() == "web       ! oops\n"


def test_output_cannot_move_the_cursor() -> None:
    stream = io.StringIO()
    Scene(stream, color=True).console.output("web", "\x1b[2J\x1b[31mred")
    assert "\x1b[2J" not in stream.getvalue()
    assert stream.getvalue().endswith("\x1b[31mred\x1b[0m\n")


def test_once_settled_it_says_who_is_missing_and_where_to_look() -> None:
    stream = io.StringIO()
    scene = Scene(stream)
    scene.clock.now += 1.42
    records = [
        {"name": "launcher", "desired_state": "running", "actual_state": "running"},
        {"name": "web", "desired_state": "running", "actual_state": "running"},
        {"name": "index", "desired_state": "running", "actual_state": "failed", "error": "no disk"},
        {
            "name": "page",
            "desired_state": "running",
            "actual_state": "waiting",
            "waiting_for": ["index"],
        },
        {"name": "nightly", "desired_state": "running", "actual_state": "waiting"},
        {"name": "bench", "desired_state": "stopped", "actual_state": "stopped"},
    ]
    scene.console.settled(records, {"web": "http://127.0.0.1:8080/"})
    assert stream.getvalue().splitlines() == [
        "Kite is up after 1.42 s; modules running: 1",
        "  index  failed: no disk",
        "  page   waiting: waits for index",
        "  web    http://127.0.0.1:8080/",
        "see why: kite logs index",
        "look around: kite ps, kite logs -f, kite events; end with Ctrl-C or q",
    ]


@pytest.mark.parametrize(
    ("amiss", "commands"),
    [
        ([("bad", "failed", "missing_key")], "kite check"),
        ([("bad", "failed", "program_not_found")], "kite check"),
        ([("bad", "failed", "missing_key"), ("page", "waiting", None)], "kite check"),
        (
            [("bad", "failed", "unknown_key"), ("index", "failed", "gave_up_exit")],
            "kite check, kite logs index",
        ),
        ([(f"m{n}", "backing_off", None) for n in range(6)], "kite logs m0 m1 m2 m3"),
        ([("page", "waiting", None)], "kite ps"),
    ],
)
def test_where_it_stands_why_a_module_is_missing(
    amiss: list[tuple[str, str, str | None]], commands: str
) -> None:
    """A mistake in a manifest leaves no log; a module that waits leads to the one that it waits for."""
    records = [
        {"name": name, "actual_state": state, "error_code": code} for name, state, code in amiss
    ]
    assert asking_why(records) == commands


def test_on_a_terminal_a_block_is_drawn_again_in_place() -> None:
    screen = Terminal()
    scene = Scene(screen, tty=True)
    come_up(scene)
    assert screen.shown == [
        "web       | listening",
        "Kite is starting the modules",
        "  registry  running        112 ms",
        "  web       running        500 ms",
        "  index     starting         0 ms",
    ]
    assert screen.redrawn


def test_lines_scroll_above_the_block_and_the_rows_stay_in_the_end() -> None:
    screen = Terminal()
    scene = Scene(screen, tty=True)
    come_up(scene)
    for number in range(5):
        scene.console.output("web", f"line {number}")
    scene.step("started", "index", after=1.5, pid=12, life=1)
    scene.console.settled(
        [{"name": "web", "desired_state": "running", "actual_state": "running"}], {}
    )
    scene.console.output("web", "afterwards")
    assert screen.shown == [
        "web       | listening",
        *(f"web       | line {number}" for number in range(5)),
        "  registry  running        112 ms",
        "  web       running        500 ms",
        "  index     running        1.50 s",
        "Kite is up after 2.11 s; modules running: 1",
        "look around: kite ps, kite logs -f, kite events; end with Ctrl-C or q",
        "web       | afterwards",
    ]


def test_a_crash_while_coming_up_is_a_line_above_the_block() -> None:
    screen = Terminal()
    scene = Scene(screen, tty=True)
    come_up(scene)
    scene.step("exited", "index", exit_code=1)
    scene.step("restarting", "index", delay=2.0)
    assert screen.shown[1:3] == [
        "index     = crashed: exit status 1",
        "index     = restarting in 2.00 s",
    ]
    assert screen.shown[-1] == "  index     backing off"


def test_stopping_takes_the_block_away() -> None:
    screen = Terminal()
    scene = Scene(screen, tty=True)
    come_up(scene)
    scene.console.phase("stopping")
    scene.console.close()
    assert screen.shown == ["web       | listening", "stopping everything …"]


def test_more_modules_than_rows_show_those_that_are_not_ready_first() -> None:
    screen = Terminal()
    scene = Scene(screen, tty=True)
    for number in range(60):
        scene.step("starting", f"m{number:02}", life=1)
        if number != 50:
            scene.step("started", f"m{number:02}", pid=number, life=1)
    assert len(screen.shown) == 22
    assert screen.shown[1] == "  m50  starting         0 ms"
    assert screen.shown[-1] == "  … and 40 more"


def test_in_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITE_LANG", "zh_CN")
    screen = Terminal()
    scene = Scene(screen, tty=True)
    come_up(scene)
    assert screen.shown == [
        "web       | listening",
        "Kite 正在启动模块",
        "  registry  运行中    112 ms",
        "  web       运行中    500 ms",
        "  index     启动中      0 ms",
    ]


def test_a_reader_that_is_gone_does_no_harm() -> None:
    stream = io.StringIO()
    scene = Scene(stream)
    stream.close()
    scene.console.output("web", "into the void")
    scene.console.close()
