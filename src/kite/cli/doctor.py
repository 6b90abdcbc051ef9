"""`kite doctor`: what may keep Kite from working here, and what to do about it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass

import click

from kite.cli import report
from kite.cli.command import Verb
from kite.cli.session import Session
from kite.errors import KiteError
from kite.locale import _

OK, WARN, FAIL = "ok", "warn", "fail"
_STYLES = {OK: ("green",), WARN: ("yellow",), FAIL: ("red", "bold")}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Args:
        name: what it is about.
        verdict: `ok`, `warn` (something is missing that some need) or `fail`.
        detail: what was found.
        advice: what to do; empty when all is well.
    """

    name: str
    verdict: str
    detail: str
    advice: str = ""


@click.command(
    cls=Verb,
    help=_(
        "Look at everything that Kite needs from this machine and this project, and say what to do"
        " about what is amiss. Status 1 when something fails. Nothing is changed."
    ),
)
@click.option(
    "--security",
    is_flag=True,
    help=_("look at what is weaker than it should be instead: modes, tokens, rights, ports"),
)
@click.pass_obj
def doctor(session: Session, *, security: bool) -> int:
    found = list(examine_security(session) if security else examine(session))
    failed = any(each.verdict == FAIL for each in found)
    if session.wants_json:
        report.document({"findings": [asdict(each) for each in found], "healthy": not failed})
    else:
        for line in lines(found, color=report.stdout_color()):
            print(line)
    return 1 if failed else 0


def lines(found: list[Finding], *, color: bool) -> list[str]:
    """One line a finding, its advice below it."""
    from kite.terminal import pad, paint, width

    words = {OK: _("ok"), WARN: _("warning"), FAIL: _("failed")}
    marks = max(width(word) for word in words.values())
    names = max(width(each.name) for each in found)
    shown = []
    for each in found:
        verdict = paint(words[each.verdict], *_STYLES[each.verdict], color=color)
        space = " " * (marks - width(words[each.verdict]))
        shown.append(f"{verdict}{space}  {pad(each.name, names)}  {each.detail}")
        if each.advice:
            shown.append(" " * (marks + names + 4) + paint(each.advice, "dim", color=color))
    return shown


def examine(session: Session) -> Iterator[Finding]:
    """Everything, one after the other. A check that breaks is itself a finding."""
    from kite.cli import machine, premises

    checks: list[Callable[[], Finding]] = [
        machine.python,
        machine.packages,
        machine.fast_loop,
        machine.hot_path,
        machine.node,
        machine.kernel,
        machine.setpriv,
        machine.descriptors,
        lambda: premises.limits(session),
        machine.watches,
        machine.loopback,
        lambda: premises.workspace(session.environ),
        lambda: premises.disk(session.environ),
        lambda: premises.project(session),
        lambda: premises.instance(session),
        lambda: premises.manifests(session),
    ]
    yield from _found(_one(check) for check in checks)


def examine_security(session: Session) -> Iterator[Finding]:
    """Everything that is weaker than it should be, and what is as it should be."""
    from kite.cli.weaknesses import checks

    yield from _found(checks(session))


def _one(check: Callable[[], Finding]) -> Callable[[], Iterator[Finding]]:
    return lambda: iter((check(),))


def _found(checks: Iterable[Callable[[], Iterator[Finding]]]) -> Iterator[Finding]:
    told: set[str] = set()
    for check in checks:
        try:
            yield from check()
        except KiteError as error:
            if error.message not in told:  # what keeps one check from working keeps several
                yield Finding(_("Kite"), FAIL, error.message, error.hint)
            told.add(error.message)
        except OSError as error:
            yield Finding(_("system"), FAIL, f"{error}", _("see what keeps Kite from it"))


def python_words() -> str:
    """The interpreter, as it is shown."""
    return f"{'.'.join(map(str, sys.version_info[:3]))}, {sys.executable}"


def owner_words(uid: int) -> str:
    """A user by name where there is one."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def is_mine(path: str | os.PathLike[str]) -> bool:
    """Whether the file belongs to this user."""
    return os.stat(path).st_uid == os.geteuid()  # noqa: PTH116  (a name or a path)
