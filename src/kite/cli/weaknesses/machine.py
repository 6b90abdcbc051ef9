"""Who one is, and what this kernel lets other programs of the same user see."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

from kite.cli.doctor import OK, WARN, Finding, owner_words
from kite.locale import _

_PTRACE = Path("/proc/sys/kernel/yama/ptrace_scope")
_CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")


def user() -> Iterator[Finding]:
    """Whether Kite would run as root."""
    name, uid = _("user"), os.geteuid()
    if uid == 0:
        detail = _("root: whatever a module may do wrong, it may do to the whole machine")
        yield Finding(name, WARN, detail, _("run Kite as a user of its own"))
    else:
        yield Finding(name, OK, owner_words(uid))


def core_dumps() -> Iterator[Finding]:
    """A dump of a process holds its token."""
    name = _("core dumps")
    soft = resource.getrlimit(resource.RLIMIT_CORE)[0]
    pattern = _read(_CORE_PATTERN)
    if soft == 0 and not pattern.startswith("|"):
        yield Finding(name, OK, _("none are written"))
        return
    where = _("to {program}") if pattern.startswith("|") else _("as {program}")
    detail = _("a module that crashes is written out {where}, with its token")
    detail = detail.format(where=where.format(program=pattern.lstrip("|").split(" ")[0] or "core"))
    if soft == 0:  # a program is given them all the same, and what it keeps is its own business
        yield Finding(name, OK, detail)
        return
    yield Finding(name, WARN, detail, _("start Kite without them: ulimit -c 0"))


def tracing() -> Iterator[Finding]:
    """For information: Kite does not guard against programs of the same user."""
    name, scope = "ptrace_scope", _read(_PTRACE)
    texts = {
        "": _("Yama is not there: programs of the same user may trace each other"),
        "0": _("0: programs of the same user may trace each other"),
        "1": _("1: a program may trace its own children only"),
    }
    text = texts.get(scope, _("{scope}: only an administrator may trace programs"))
    yield Finding(name, OK, text.format(scope=scope))


def processes() -> Iterator[Finding]:
    """For information: arguments are open to everybody where `/proc` is; tokens are in none."""
    name, options = "hidepid", _proc_options()
    if any(each in options for each in ("hidepid=1", "hidepid=2", "hidepid=invisible")):
        yield Finding(name, OK, _("other users do not see your processes"))
    else:
        yield Finding(name, OK, _("other users see the arguments of your processes"))


def _proc_options() -> set[str]:
    for line in _read(Path("/proc/self/mountinfo")).splitlines():
        words = line.split(" ")
        if len(words) > 5 and words[4] == "/proc":
            return set(words[-1].split(",")) | set(words[5].split(","))
    return set()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
