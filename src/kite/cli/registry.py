"""`kite registry get PATH`: ask the Registry."""

from __future__ import annotations

from urllib.parse import quote

import click

from kite.cli import report
from kite.cli.command import Verb
from kite.cli.session import Session
from kite.locale import _


class _Group(click.Group):
    """Its one verb for now; `kite registry` alone shows the help."""


@click.group(
    cls=_Group,
    help=_("Ask the Registry: who is here, where, offering what."),
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
)
@click.pass_context
def registry(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        print(ctx.get_help())


@registry.command(
    cls=Verb,
    help=_(
        "Print the value at a dotted path, such as event_hub.metadata.ws_endpoint;"
        " without one all entries. Text is printed bare, with --json in quotes."
    ),
    short_help=_("print the value at a dotted path"),
)
@click.argument("path", required=False)
@click.pass_obj
def get(session: Session, path: str | None) -> None:
    target = f"/get/{quote(path, safe='.')}" if path else "/modules"
    value = session.control().registry(target).json()
    if isinstance(value, str) and not session.wants_json:
        print(value)
    else:
        report.document(value)
