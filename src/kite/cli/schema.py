"""`kite schema`: what scripts may rely on, verb by verb."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from kite.cli import report
from kite.cli.command import Verb
from kite.cli.session import Session
from kite.cli.table import table
from kite.cli.usage import unknown
from kite.errors import ERRORS_FILE
from kite.locale import _

PROTOCOL = ERRORS_FILE.parent
ANY = "-"


@click.command(
    cls=Verb,
    help=_(
        "Print the JSON schema of what a verb prints with --json, or a schema by its name; without a"
        " name, which schema and which exit statuses each verb has. Needs no running Kite."
    ),
)
@click.argument("name", metavar="[NAME]", required=False)
@click.pass_obj
def schema(session: Session, name: str | None) -> None:
    promises = promised()
    if name is not None:
        report.data(text_of(name, promises["verbs"]))
    elif session.wants_json:
        report.document({key: promises[key] for key in ("verbs", "errors", "statuses")})
    else:
        color = report.stdout_color()
        report.data("\n".join(lines(promises["verbs"], color=color)))


def promised() -> dict[str, Any]:
    """`protocol/cli.json`."""
    found: dict[str, Any] = json.loads((PROTOCOL / "cli.json").read_text(encoding="utf-8"))
    return found


def text_of(name: str, verbs: dict[str, dict[str, Any]]) -> str:
    """The schema of a verb's output, or of a name, as it stands in its file.

    Raises:
        ConfigError: `unknown_schema`.
    """
    verb = verbs.get(name, {})
    chosen = verb.get("document") or verb.get("lines") or name
    files = {path.name.partition(".")[0]: path for path in _files()}
    if chosen not in files:
        raise unknown("unknown_schema", name, [*verbs, *files])
    return files[chosen].read_text(encoding="utf-8").rstrip("\n")


def _files() -> list[Path]:
    return sorted((PROTOCOL / "schemas").glob("*.schema.json"))


def lines(verbs: dict[str, dict[str, Any]], *, color: bool) -> list[str]:
    """A table: each verb with what it prints and how it leaves."""
    headers = [_("VERB"), _("DOCUMENT"), _("LINES"), _("STATUS")]
    rows = [
        [verb, each["document"] or ANY, each["lines"] or ANY, ", ".join(map(str, each["statuses"]))]
        for verb, each in verbs.items()
    ]
    return table(headers, rows, color=color)
