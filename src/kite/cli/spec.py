"""`kite spec`: what others can be told, as documents for other tools: `asyncapi [MODULE…]`, what the
project's modules say to each other; `openapi INTERFACE`, what Kite's own ports answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kite.cli import report
from kite.cli.command import Verb
from kite.cli.names import complete
from kite.cli.session import Session
from kite.locale import _

if TYPE_CHECKING:
    from pathlib import Path

    from kite.model.manifest import Manifest
    from kite.model.scan import Scan

_WRONG = 2
_INTERFACES = ("registry", "launcher", "event_hub")
_format = click.option(
    "--format",
    "form",
    type=click.Choice(["yaml", "json"]),
    help=_("yaml (default) or json; --json is the same as --format json"),
)


@click.group(
    help=_("Describe the project and Kite's own interfaces for other tools."),
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
)
@click.pass_context
def spec(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        print(ctx.get_help())


@spec.command(
    cls=Verb,
    help=_(
        "Print an AsyncAPI 3 document: which module sends and receives which events, and where it"
        " says that it answers. Without MODULE of all modules of the project that are not disabled."
        " Needs no running Kite and starts nothing. Status 2 when a manifest is wrong."
    ),
    short_help=_("print an AsyncAPI 3 document of the modules' events"),
)
@click.argument("modules", metavar="[MODULE]...", nargs=-1, shell_complete=complete)
@_format
@click.pass_obj
def asyncapi(session: Session, modules: tuple[str, ...], form: str | None) -> int:
    from kite.launcher.discovery import scan
    from kite.model.asyncapi import UNVERSIONED, document
    from kite.model.project import survey_project

    project_dir = session.project_dir()
    project, wrong = survey_project(project_dir)
    found = scan(project_dir, project)
    chosen = _chosen(found, modules)
    one = chosen[0] if len(modules) == 1 else None
    made = document(
        chosen,
        among=found.manifests.values(),
        title=one.display_name if one else project_dir.name or str(project_dir),
        version=(one.version if one else "") or UNVERSIONED,
        envelope=_envelope(),
    )
    _print(made, session, form)
    broken = [error for each in found.broken.values() for error in each.errors]
    for error in (*wrong, *found.problems, *broken):
        report.error(error)
    return _WRONG if wrong or found.problems or broken else 0


@spec.command(
    cls=Verb,
    help=_(
        "Print the OpenAPI 3.1 document of one of Kite's own HTTP interfaces: what each path takes and"
        " answers, for whom it is, and every code that it may be refused with. Needs no running Kite"
        " and no project."
    ),
    short_help=_("print an OpenAPI 3.1 document of registry, launcher or event_hub"),
)
@click.argument("interface", metavar="INTERFACE", type=click.Choice(_INTERFACES))
@_format
@click.pass_obj
def openapi(session: Session, interface: str, form: str | None) -> int:
    from importlib import import_module

    from kite.http.openapi import document

    _print(document(import_module(f"kite.{interface}.interface").INTERFACE), session, form)
    return 0


def _print(made: dict[str, Any], session: Session, form: str | None) -> None:
    if form == "json" or (form is None and session.wants_json):
        report.document(made)
    else:
        report.data(_yaml(made))


def _chosen(found: Scan, names: tuple[str, ...]) -> list[Manifest]:
    """The modules that are named, or those of the project itself.

    Raises:
        ConfigErrors: a manifest that is named is wrong.
        RequestError: `unknown_module`.
    """
    from kite.errors import RequestError
    from kite.launcher.discovery import PACKAGE_SOURCES
    from kite.model.manifest import ConfigState
    from kite.model.mistakes import ConfigErrors

    if not names:
        return [
            each.manifest
            for _name, each in sorted(found.modules.items())
            if each.source not in PACKAGE_SOURCES
            and each.manifest.state is not ConfigState.DISABLED
        ]
    for name in names:
        if name in found.broken:
            raise ConfigErrors(found.broken[name].errors)
        if name not in found.modules:
            raise RequestError("unknown_module", module=name)
    return [found.modules[name].manifest for name in dict.fromkeys(names)]


def _envelope() -> dict[str, Any]:
    """The schema of an event as it is published."""
    import json

    from kite.errors import ERRORS_FILE

    file: Path = ERRORS_FILE.parent / "schemas" / "frame-to-hub.schema.json"
    envelope: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["$defs"]["event"]
    return envelope


def _yaml(document: dict[str, Any]) -> str:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes what stands in two places twice: not every reader of YAML follows an anchor."""

        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
            return True

    return yaml.dump(
        document, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100
    ).rstrip("\n")
