"""What a page of documentation tells its reader to do: files to write, commands to type.

Rules for pages, so that they can be played:

- A fenced block below a line that ends with `` `path`: `` is a file: it is written.
- A `console` block is a dialogue: lines that begin with `$ ` are typed, the lines below each are
  what comes back, in order. `…` stands for anything, numbers for any number, and what the page
  leaves out does not matter.
- `<!-- in the terminal of kite up -->` above a block: the lines appear there by themselves.
- `<!-- not played: why -->` above a block leaves it out.
- In `kill -9 4711` the number stands for the pid that was last shown in that place:
  `<!-- pid of NAME -->` above the block says whose.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"`([^`\s]+)`(?: \([^)]*\))?:\s*$")
_SCREEN = re.compile(r"<!-- in the terminal of kite up -->\s*$")
_NOT_PLAYED = re.compile(r"<!-- not played: [^>]+ -->\s*$")
_PID_OF = re.compile(r"<!-- pid of (\S+) -->\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file the reader is told to write, relative to the folder they are in."""

    line: int
    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command, what the page says it prints, and whose pid a `kill` in it means."""

    line: int
    text: str
    expected: tuple[str, ...] = ()
    pid_of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """What appears where `kite up` runs."""

    line: int
    expected: tuple[str, ...]


Step = File | Command | Screen


def steps(page: Path) -> list[Step]:
    """Everything that a reader does, in the order of the page."""
    text = page.read_text(encoding="utf-8")
    found: list[Step] = []
    for block in _FENCE.finditer(text):
        before = text[: block.start()].rstrip()
        line = text.count("\n", 0, block.start(2)) + 1
        if _NOT_PLAYED.search(before):
            continue
        if _SCREEN.search(before):
            found.append(Screen(line=line, expected=tuple(block[2].splitlines())))
        elif block[1] == "console":
            whose = _PID_OF.search(before)
            found.extend(_dialogue(block[2], line, whose[1] if whose else ""))
        elif named := _FILE.search(before):
            found.append(File(line=line, path=named[1], text=block[2]))
    return found


def _dialogue(block: str, line: int, pid_of: str) -> list[Command]:
    commands: list[Command] = []
    asked, expected, at = "", [], line
    for number, text in enumerate([*block.splitlines(), "$ "], start=line):
        if text.startswith("$ ") and not _goes_on(asked):
            if asked:
                commands.append(
                    Command(line=at, text=asked, expected=tuple(expected), pid_of=pid_of)
                )
            asked, expected, at = text[2:], [], number
        elif _goes_on(asked) and not expected:
            asked += "\n" + text.removeprefix("> ")
        elif text.strip():
            expected.append(text)
    return commands


def _goes_on(command: str) -> bool:
    return command.endswith("\\")


def unmet(expected: tuple[str, ...], output: str) -> str:
    """The first expected line that the output lacks, or nothing."""
    lines = iter(output.splitlines())
    for wanted in expected:
        if not wanted.strip("… "):
            continue
        pattern = _pattern(wanted)
        if not any(pattern.search(line) for line in lines):
            return wanted
    return ""


def _pattern(line: str) -> re.Pattern[str]:
    escaped = re.escape(" ".join(line.split()))
    escaped = escaped.replace("…", ".*").replace(r"\ ", r"\s+")
    # Instants, pids, ports and milliseconds are never the same twice; `5 m 3 s` may be `80 ms`.
    escaped = re.sub(
        r"\d+(?:\\\.\d+)?(?:\\s\+(?:ms|s|m|h)\b)+",
        r"[\\d.]+(?:\\s+[\\d.]*(?:ms|s|m|h)\\b)+",
        escaped,
    )
    # Nor are shares of a processor and of memory: `1.5 %`, `24.3 MiB`.
    for unit in ("%", "[KMG]iB"):
        escaped = re.sub(rf"\d+(?:\\\.\d+)?\\s\+{unit}", rf"[\\d.]+\\s+{unit}", escaped)
    escaped = re.sub(r"(?<![\w\\])\d+(?!\w)", r"\\d+", escaped)
    return re.compile(r"^\s*" + escaped + r"\s*$")
