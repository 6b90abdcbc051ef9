"""Module names as arguments: completed by the shell with the names there are."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from kite.cli.session import Session


def complete(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem | str]:
    """The module names that begin so; none, and no noise, when they cannot be found out."""
    try:
        names = known_names(ctx.find_object(Session) or Session())
    except Exception:  # noqa: BLE001  (completion may never write over the prompt)
        return []
    taken = set(ctx.params.get(param.name or "") or ())
    return [
        CompletionItem(name, help=state)
        for name, state in names.items()
        if name.startswith(incomplete) and name not in taken
    ]


def known_names(session: Session) -> dict[str, str]:
    """Module names with their state: from the running Kite, else from its log files."""
    from kite.errors import KiteError

    try:
        records = session.control().get("/launcher/modules", timeout=1.0).json()["modules"]
        return {str(record["name"]): str(record["actual_state"]) for record in records}
    except KiteError:
        instance = session.instance_dir()
        if instance is None:
            return {}
        return {file.stem: "" for file in sorted((instance / "logs").glob("*.log"))}
