"""Text with places that are filled in later, `{{name}}`: what `kite events` prints and what
`kite pub` sends. Pure.

A place is a name, with a path behind dots (`{{data.user.0}}`) or arguments behind spaces
(`{{Random 5 10}}`). As in Go's templates a dot may stand in front; case makes no difference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kite.errors import ConfigError

_PLACE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Shape:
    """How a name is written.

    Args:
        example: one way to write it, as it stands in messages.
        has_path: whether a path may follow.
        numbers: how many whole numbers follow.
    """

    example: str
    has_path: bool = False
    numbers: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """One place to be filled.

    Args:
        name: in lower case.
        path: what stands behind the name's dot; empty when there is none.
        numbers: the arguments.
    """

    name: str
    path: str = ""
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Template:
    """What stands between the places, and the places."""

    parts: tuple[str | Place, ...]

    def fill(self, value: Callable[[Place], str]) -> str:
        """The text, with what `value` says for each place."""
        return "".join(part if isinstance(part, str) else value(part) for part in self.parts)


def parse(text: str, known: Mapping[str, Shape]) -> Template:
    """Read a template.

    Args:
        text: as somebody wrote it.
        known: the names there are, in lower case.

    Raises:
        ConfigError: `template_unclosed`, `template_unknown`, `template_malformed`.
    """
    parts: list[str | Place] = []
    end = 0
    for found in _PLACE.finditer(text):
        parts.append(text[end : found.start()])
        parts.append(_place(found.group(1), known))
        end = found.end()
    if (open_at := text.find("{{", end)) >= 0:
        raise ConfigError("template_unclosed", column=open_at + 1, value=text[open_at:][:40])
    parts.append(text[end:])
    return Template(tuple(part for part in parts if part != ""))


def _place(inside: str, known: Mapping[str, Shape]) -> Place:
    words = inside.split()
    name, dot, path = (words[0].removeprefix(".") if words else "").partition(".")
    name = name.lower()
    shape = known.get(name)
    if shape is None:
        raise _unknown(inside.strip(), name, known)
    arguments = words[1:]
    is_well = (
        (not dot or (shape.has_path and path != "" and "" not in path.split(".")))
        and len(arguments) == shape.numbers
        and all(each.isdecimal() and len(each) < 10 for each in arguments)
    )
    if not is_well:
        raise ConfigError("template_malformed", value=inside.strip(), example=shape.example)
    return Place(name, path, tuple(map(int, arguments)))


def _unknown(written: str, name: str, known: Mapping[str, Shape]) -> ConfigError:
    from difflib import get_close_matches

    examples = ", ".join(shape.example for shape in known.values())
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        shown = known[near[0]].example
        return ConfigError("template_unknown_near", value=written, near=shown, known=examples)
    return ConfigError("template_unknown", value=written, known=examples)
