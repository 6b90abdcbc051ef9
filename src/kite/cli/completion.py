"""`kite completion`: the script that lets a shell complete verbs, options and module names."""

from __future__ import annotations

import click

from kite.cli.command import Verb, kite
from kite.cli.entry import COMPLETE
from kite.locale import _


@click.command(
    cls=Verb,
    help=_(
        'Print the completion script of a shell. bash: eval "$(kite completion bash)" in ~/.bashrc;'
        ' zsh: eval "$(kite completion zsh)" in ~/.zshrc; fish: kite completion fish > ~/.config/fish/completions/kite.fish'
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    print(found(kite(), {}, "kite", COMPLETE).source())
