"""Wrong usage in Kite's own words, whatever click calls it."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any

import click
from click.exceptions import (
    BadOptionUsage,
    BadParameter,
    MissingParameter,
    NoSuchOption,
    UsageError,
)

from kite.errors import ConfigError
from kite.locale import _

_EXTRA = re.compile(r"Got unexpected extra arguments? \((.*)\)")
_QUOTED = re.compile(r"'(.*?)'")


def usage_error(wrong: UsageError) -> ConfigError:
    """What click found wrong with a command line, as an error with a code."""
    where = wrong.ctx.command_path if wrong.ctx else "kite"
    if extra := _EXTRA.match(wrong.message):
        return ConfigError("extra_argument", name=extra.group(1), command=where)
    match wrong:
        case NoSuchOption():
            return unknown("unknown_option", wrong.option_name, _options(wrong.ctx), where=where)
        case BadOptionUsage():
            return ConfigError("option_lacks_value", name=wrong.option_name, command=where)
        case MissingParameter() if wrong.param is not None:
            name = (wrong.param.metavar or wrong.param.human_readable_name).upper()
            return ConfigError("missing_argument", name=name, command=where)
        case BadParameter() if wrong.param is not None:
            return _bad_value(wrong, wrong.param, where)
        case _:
            detail = wrong.format_message().rstrip(".")
            return ConfigError("wrong_usage", detail=detail, command=where)


def bad_value(
    ctx: click.Context, parameter: click.Parameter, value: str, expected: str
) -> ConfigError:
    """An error about a value that is none for this parameter of this verb."""
    where = ctx.command_path
    name = parameter.opts[0]
    return ConfigError("bad_choice", name=name, value=value, expected=expected, command=where)


def positive_seconds(
    ctx: click.Context, parameter: click.Parameter, value: str | float | None
) -> float | None:
    """An option's value as seconds above 0. A callback of click's."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise bad_value(ctx, parameter, str(value), _("a number of seconds above 0"))
    return seconds


def positive_count(ctx: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """An option's value as a whole number above 0. A callback of click's."""
    if value is None:
        return None
    if not value.isdecimal() or int(value) == 0:
        raise bad_value(ctx, parameter, value, _("a whole number above 0"))
    return int(value)


def number_or_all(ctx: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """An option's value as a number; None for `all`. A callback of click's."""
    if value is None or value == "all":
        return None
    if not value.isdecimal():
        raise bad_value(ctx, parameter, value, _("a number or 'all'"))
    return int(value)


def positive_number(
    ctx: click.Context, parameter: click.Parameter, value: str | None
) -> float | None:
    """An option's value as a number above 0. A callback of click's."""
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise bad_value(ctx, parameter, value, _("a number above 0"))
    return number


def instant(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """An option's value as an instant of the wire, from `5m` (ago) or RFC 3339. A callback of click's."""
    if value is None:
        return None
    from kite.cli.instant import since

    if (found := since(value)) is None:
        expected = _("a duration such as 5m, or an instant such as 2026-01-31T09:05:00Z")
        raise bad_value(ctx, parameter, value, expected)
    return found


def positive_duration(
    ctx: click.Context, parameter: click.Parameter, value: str | None
) -> float | None:
    """An option's value as seconds above 0, from `2`, `100ms`, `5m`. A callback of click's."""
    if value is None:
        return None
    from kite.model.duration import seconds

    found = seconds(f"{value}s" if value[-1:].isdecimal() else value)
    if not found:
        raise bad_value(ctx, parameter, value, _("a duration above 0, such as 2s or 100ms"))
    return found


def exclusive(ctx: click.Context, one: str, other: str) -> None:
    """Refuse two options (or arguments) of a verb that contradict each other.

    Raises:
        ConfigError: `options_exclude`.
    """
    if all(ctx.params.get(name) not in (None, False, ()) for name in (one, other)):
        first, second = _written(ctx, one), _written(ctx, other)
        raise ConfigError("options_exclude", one=first, other=second, command=ctx.command_path)


def needs(ctx: click.Context, one: str, other: str) -> None:
    """Refuse an option that means nothing without another one.

    Raises:
        ConfigError: `option_needs`.
    """
    if ctx.params.get(one) not in (None, False) and ctx.params.get(other) in (None, False):
        first, second = _written(ctx, one), _written(ctx, other)
        raise ConfigError("option_needs", one=first, other=second, command=ctx.command_path)


def _written(ctx: click.Context, name: str) -> str:
    """An option or argument as one types it."""
    parameter = next(each for each in ctx.command.params if each.name == name)
    if isinstance(parameter, click.Option):
        return max(parameter.opts, key=len)
    return parameter.make_metavar(ctx)


def unknown(
    code: str, name: str, known: list[str], *, where: str = "kite", **params: Any
) -> ConfigError:
    """An error about a name that is none, with the nearest one that is (`<code>_near`)."""
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return ConfigError(f"{code}_near", name=name, near=near[0], command=where, **params)
    return ConfigError(code, name=name, command=where, **params)


def _bad_value(wrong: BadParameter, parameter: click.Parameter, where: str) -> ConfigError:
    found = _QUOTED.match(wrong.message)
    if isinstance(parameter.type, click.Choice) and found:
        expected = ", ".join(map(str, parameter.type.choices))
        name = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.name
        return ConfigError(
            "bad_choice", name=name, value=found.group(1), expected=expected, command=where
        )
    return ConfigError("wrong_usage", detail=wrong.format_message().rstrip("."), command=where)


def _options(context: click.Context | None) -> list[str]:
    if context is None:
        return []
    parameters = context.command.get_params(context)
    return [name for each in parameters for name in each.opts if name.startswith("-")]
