"""What `kite doctor --security` looks at: what is weaker than it should be, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kite.cli.doctor import Finding
from kite.cli.session import Session

Check = Callable[[], Iterator[Finding]]


def checks(session: Session) -> list[Check]:
    """All of them, in the order in which they are shown."""
    from kite.cli.weaknesses import machine, modules, places, running

    return [
        machine.user,
        machine.core_dumps,
        machine.tracing,
        machine.processes,
        lambda: places.workspace(session.environ),
        lambda: places.instance(session),
        lambda: places.project(session),
        lambda: modules.controllers(session),
        lambda: modules.unbounded(session),
        lambda: modules.values(session),
        lambda: modules.secrets(session),
        lambda: modules.origins(session),
        lambda: running.doors(session),
        lambda: running.sockets(session),
        lambda: running.tokens(session),
    ]
