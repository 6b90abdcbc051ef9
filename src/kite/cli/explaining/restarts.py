"""The restart rule and what it has done, in sentences with their numbers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kite.cli.explaining.spans import number, since, span, until
from kite.launcher.core.restart import LEAST_DELAY, RETRY_CAP, RETRY_FIRST
from kite.locale import _

Told = Mapping[str, Any]


def rule(restart: Told) -> Iterator[str]:
    """What is written down: which exits are failures, how they are answered."""
    which = {
        "always": _("every exit that nobody asked for is a failure"),
        "on-failure": _(
            "an exit that nobody asked for is a failure unless its status is 0 or in restart.success"
        ),
        "never": _("it is not restarted (restart: never)"),
    }
    yield which[restart["policy"]]
    if restart["policy"] == "never":
        return
    text = _("failure {max} within {window} gives up (restart.max, restart.window)")
    yield text.format(max=restart["max"], window=span(restart["window"]))
    if restart["max"] > 2:
        text = _(
            "the first failure of a window is answered at once, the next after {least} to {initial},"
            " each further one up to {factor} times later, at most {cap} (restart.backoff)"
        )
        yield text.format(
            least=span(LEAST_DELAY),
            initial=span(max(LEAST_DELAY, min(restart["initial"], restart["cap"]))),
            factor=number(restart["factor"]),
            cap=span(restart["cap"]),
        )


def history(told: Told, now: float) -> Iterator[str]:
    """What counts now, and where the present delay comes from."""
    restart = told["restart"]
    failures, last = restart["failures"], restart["last"]
    if failures:
        when = ", ".join(since(at, now) or "" for at in failures)
        text = _("failures that count now: {count} ({when} ago)")
        yield text.format(count=len(failures), when=when)
    else:
        yield _("no failure counts now")
    state = told["module"]["actual_state"]
    if state == "backing_off" and last is not None and last["up_to"]:
        yield _delay(restart, last)
    if restart["give_ups"]:
        text = _("times it was given up since it was last stable: {count}")
        yield text.format(count=restart["give_ups"])
    if restart["crash_loop"] == "open" and last is not None and last["up_to"]:
        text = _(
            "crash loop: it rests {delay}, drawn from {least} to {most}; that doubles with each"
            " failed try, from {first} to {cap}"
        )
        yield text.format(
            delay=span(last["delay"]),
            least=span(last["up_to"] / 2),
            most=span(last["up_to"]),
            first=span(RETRY_FIRST),
            cap=span(RETRY_CAP),
        )
    if restart["crash_loop"] == "half_open":
        yield _(
            "it is on trial: its next failure gives up again, {window} of readiness forgive"
        ).format(window=span(restart["window"]))
        if restart["forgiven_at"]:
            text = _("all is forgiven in {duration}, if it stays ready")
            yield text.format(duration=until(restart["forgiven_at"], now))


def _delay(restart: Told, last: Told) -> str:
    text = _(
        "this delay is {delay}, drawn from {least} to {most}: {initial} × {factor}^{exponent},"
        " at most {cap}"
    )
    return text.format(
        delay=span(last["delay"]),
        least=span(LEAST_DELAY),
        most=span(last["up_to"]),
        initial=span(restart["initial"]),
        factor=number(restart["factor"]),
        exponent=last["exponent"],
        cap=span(restart["cap"]),
    )


def at_the_next_failure(restart: Told) -> str:
    """What a failure now would bring."""
    coming = restart["next"]
    if coming["action"] == "give_up" and coming["up_to"] is None:
        return _("at its next failure it is given up and stays failed until a start by name")
    if coming["action"] == "give_up":
        text = _("at its next failure it is given up, and tried again within {duration}")
        return text.format(duration=span(coming["up_to"]))
    if not coming["up_to"]:
        return _("at its next failure it is restarted at once")
    text = _("at its next failure it is restarted within {duration}")
    return text.format(duration=span(coming["up_to"]))


def of_core(core: Told, now: float) -> Iterator[str]:
    """How Registry and Event Hub are mended."""
    if core["max"] is None:
        yield _("what ends the Launcher ends the instance; kite up goes on from there")
        return
    text = _("it is restarted alone; death {max} within {window} restarts everything")
    yield text.format(max=core["max"], window=span(core["window"]))
    if core["deaths"]:
        when = ", ".join(since(at, now) or "" for at in core["deaths"])
        yield _("deaths that count now: {count} ({when} ago)").format(
            count=len(core["deaths"]), when=when
        )
