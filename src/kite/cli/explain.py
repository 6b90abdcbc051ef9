"""`kite explain`: why a module is in the state it is in."""

from __future__ import annotations

from typing import Any

import click

from kite.cli import report
from kite.cli.command import Verb
from kite.cli.names import complete
from kite.cli.session import Session
from kite.errors import ConfigError
from kite.locale import _
from kite.terminal import pad, paint, width


@click.command(
    cls=Verb,
    help=_(
        "Say why a module is in the state it is in: what was written and asked, what it waits for,"
        " how it ended, which restart rule holds and what comes next. Works when Kite is down, too."
    ),
)
@click.argument("name", metavar="NAME", shell_complete=complete)
@click.pass_obj
def explain(session: Session, name: str) -> None:
    from kite.cli.explaining.advice import advice
    from kite.cli.explaining.dossier import dossier
    from kite.cli.explaining.sentences import sentences

    if not name.strip(".") or "/" in name:  # it would be another path of the API
        raise ConfigError("no_module_name", name=name)
    told = dossier(session, name)
    said, commands = sentences(told), advice(told)
    if session.wants_json:
        explanation = [{"topic": topic, "text": text} for topic, text in said]
        offered = [{"command": command, "effect": effect} for command, effect in commands]
        report.document({**told, "explanation": explanation, "commands": offered})
        return
    report.data("\n".join(lines(said, commands, color=report.stdout_color())))


def lines(
    said: list[tuple[str, str]], commands: list[tuple[str, str]], *, color: bool
) -> list[str]:
    """Each topic once, its sentences beside it; then what can be done."""
    from kite.cli.explaining.sentences import topic_word

    words = {topic: topic_word(topic) for topic, _text in said}
    columns = max(width(word) for word in words.values())
    shown: list[str] = []
    before: Any = None
    for topic, text in said:
        word = pad(words[topic] if topic != before else "", columns)
        shown.append(f"{paint(word, 'bold', color=color)}  {text}")
        before = topic
    if commands:
        shown += ["", _("what you can do:")]
        wide = max(width(command) for command, _effect in commands)
        shown += [
            f"  {paint(pad(command, wide), 'cyan', color=color)}  {effect}"
            for command, effect in commands
        ]
    return shown
