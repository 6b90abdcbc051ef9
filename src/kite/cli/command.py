"""The tree of verbs: known by name at once, each loaded only when it is used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click
from click.exceptions import Exit, UsageError
from click.shell_completion import CompletionItem

from kite.cli.session import Session
from kite.cli.usage import unknown, usage_error
from kite.errors import ConfigError
from kite.locale import _


def sections() -> list[tuple[str, dict[str, str]]]:
    """All verbs with what they do, by section, in the order of the help page."""
    return [
        (
            _("The system"),
            {
                "up": _("start Kite in this project"),
                "down": _("stop everything"),
                "ps": _("list the modules and their states"),
                "logs": _("show what the modules print"),
                "audit": _("show who did what with Kite, and who was refused"),
                "explain": _("say why a module is in the state it is in"),
                "graph": _("draw who waits for whom"),
                "analyze": _("show what the start-up waited for"),
                "service": _("let systemd keep Kite running here"),
            },
        ),
        (
            _("Modules"),
            {
                "start": _("start modules"),
                "stop": _("stop modules"),
                "restart": _("restart modules"),
                "enable": _("let modules start with Kite, from now on"),
                "disable": _("keep modules from starting, from now on"),
                "rescan": _("look for new, changed and removed modules"),
                "token": _("change the tokens of modules and of the command line"),
                "dev": _("work on modules: restart them when their files change"),
            },
        ),
        (
            _("Events and the Registry"),
            {
                "events": _("watch events as they happen"),
                "pub": _("publish an event"),
                "request": _("publish a request and print the reply"),
                "tools": _("list what the modules offer to be called"),
                "call": _("call a tool and print what it answers"),
                "top": _("show the busiest subjects and clients"),
                "registry": _("ask the Registry"),
            },
        ),
        (
            _("Projects"),
            {
                "new": _("write a new module that runs"),
                "check": _("find every mistake in every manifest"),
                "spec": _("describe the project for other tools"),
                "doctor": _("find out what may keep Kite from working here"),
                "bench": _("measure the Event Hub"),
                "schema": _("print what scripts may rely on: schemas and statuses"),
                "chaos": _("break a throw-away Kite and see what it keeps"),
                "conformance": _("try an SDK against the contract"),
                "completion": _("print the completion script of a shell"),
            },
        ),
    ]


_FILES = {"start": "operate", "stop": "operate", "restart": "operate"}
_FILES |= {"enable": "config_state", "disable": "config_state"}


def global_options(*, of_verb: bool = False) -> list[click.Parameter]:
    """What every verb understands, before or behind its name; its help page shows `--json` alone."""
    return [
        click.Option(
            ["-C", "project"],
            metavar="DIR",
            expose_value=False,
            hidden=of_verb,
            callback=_keep("project"),
            help=_("the project directory (default: the nearest one with a kite.yaml)"),
        ),
        click.Option(
            ["--json", "wants_json"],
            is_flag=True,
            expose_value=False,
            callback=_keep("wants_json"),
            help=_("print JSON: one document for a list, one object per line for a stream"),
        ),
        click.Option(
            ["--lang"],
            metavar="LANGUAGE",
            expose_value=False,
            hidden=of_verb,
            help=_("the language of messages: en or zh_CN (default: by locale)"),
        ),
    ]


def _keep(field: str) -> Any:
    def callback(ctx: click.Context, _parameter: click.Parameter, value: Any) -> None:
        session = ctx.ensure_object(Session)
        if value:
            setattr(session, field, value)

    return callback


class Verb(click.Command):
    """A verb. Its summary and its global options come from here."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("context_settings", {"help_option_names": ["-h", "--help"]})
        super().__init__(*args, **kwargs)
        self.params.extend(global_options(of_verb=True))


_SAID_ELSEWHERE = {
    "ask": "request",
    "blame": "analyze",
    "halt": "down",
    "init": "new",
    "kill": "stop",
    "list": "ps",
    "log": "logs",
    "ls": "ps",
    "publish": "pub",
    "reload": "rescan",
    "req": "request",
    "run": "up",
    "status": "ps",
    "sub": "events",
    "subscribe": "events",
    "validate": "check",
    "why": "explain",
    "version": "--version",
}
"""Words of other tools, and ours: the nearest by letters (`start` for `status`) would mislead."""


class Kite(click.Group):
    """The group of all verbs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        return [name for _title, verbs in sections() for name in verbs]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        module = import_module(f"kite.cli.{_FILES.get(cmd_name, cmd_name)}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name == "help":  # what one types who does not know Kite yet
            if len(args) > 1:
                return self.resolve_command(ctx, [args[1], "--help"])
            click.echo(ctx.get_help())
            ctx.exit()
        if not name.startswith("-") and name not in self.list_commands(ctx):
            if meant := _SAID_ELSEWHERE.get(name):
                raise ConfigError("unknown_command_near", name=name, near=meant)
            raise unknown("unknown_command", name, self.list_commands(ctx))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for title, verbs in sections():
            with formatter.section(title):
                formatter.write_dl(list(verbs.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        found = [
            CompletionItem(name, help=text)
            for _title, verbs in sections()
            for name, text in verbs.items()
            if name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)


def _version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from kite.version import __version__

        print(f"kite {__version__}")
        ctx.exit()


def kite() -> Kite:
    """The whole command, in the language of this process."""
    return Kite(
        name="kite",
        invoke_without_command=True,
        callback=_help,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        help=_("Run a system of small programs: start, watch, connect and stop them."),
        epilog=_("More about a verb: kite VERB --help") + "\n",
        params=[
            *global_options(),
            click.Option(
                ["-V", "--version"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_version,
                help=_("show the version and exit"),
            ),
        ],
    )


@click.pass_context
def _help(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        print(ctx.get_help())


def invoke(arguments: list[str], session: Session, completing: str | None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name.
        session: what the global options are written into.
        completing: the instruction of a shell's completion script, if it is one that asks.

    Returns:
        the exit status.

    Raises:
        KiteError: whatever went wrong, wrong usage included.
    """
    command = kite()
    if completing:
        from click.shell_completion import shell_complete

        return shell_complete(command, {"obj": session}, "kite", "_KITE_COMPLETE", completing)
    try:
        with command.make_context("kite", list(arguments), obj=session) as context:
            result = command.invoke(context)
        return result if isinstance(result, int) else 0
    except Exit as leave:
        return leave.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None
    except UsageError as wrong:
        raise usage_error(wrong) from None
