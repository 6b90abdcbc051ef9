"""A dossier in sentences, each under the topic that it is about. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kite.cli.explaining import replicas, restarts
from kite.cli.explaining.spans import ago, since, span, until
from kite.launcher.progress import error_text, instant, state_word
from kite.launcher.story import exit_text
from kite.locale import _

Told = Mapping[str, Any]
MAX_EXITS = 3


def topic_word(topic: str) -> str:
    """A topic as a person reads it."""
    return {
        "state": _("state"),
        "waiting": _("waits for"),
        "config": _("config"),
        "desired": _("desired"),
        "exits": _("exits"),
        "restarts": _("restarts"),
        "replicas": _("replicas"),
        "next": _("next"),
    }[topic]


def sentences(told: Told) -> list[tuple[str, str]]:
    """Topic and sentence, in the order in which they are read.

    Args:
        told: the document of `kite explain --json`.
    """
    now = instant(told["at"], 0.0)
    found = [
        *(("state", text) for text in _state(told, now)),
        *(("waiting", text) for text in _waiting(told, now)),
        *(("config", text) for text in _config(told)),
        *(("desired", text) for text in _desired(told, now)),
        *(("exits", text) for text in _exits(told, now)),
    ]
    if told["core"] is not None:
        found += (("restarts", text) for text in restarts.of_core(told["core"], now))
    elif told["restart"] is not None:
        found += (("restarts", text) for text in restarts.rule(told["restart"]))
        if replicas.has_several(told):
            found += (("replicas", text) for text in replicas.each(told, now))
        elif told["running"]:
            found += (("restarts", text) for text in restarts.history(told, now))
    return found + [("next", text) for text in _next(told, now)]


def _state(told: Told, now: float) -> Iterator[str]:
    record = told["module"]
    name, state = told["name"], state_word(str(record["actual_state"]))
    lasting = since(record["state_since"], now)
    if not told["running"]:
        yield _("Kite is not running here, so {name} is stopped; this is what files say").format(
            name=name
        )
    elif record["pid"] is not None:
        text = _("{name} is {state}, for {duration}: life {life}, pid {pid}")
        lasting = lasting or span(record["uptime"] or 0.0)
        yield text.format(
            name=name, state=state, duration=lasting, life=record["life"], pid=record["pid"]
        )
    elif lasting is not None:
        text = _("{name} is {state}, for {duration}")
        yield text.format(name=name, state=state, duration=lasting)
    else:
        yield _("{name} is {state}").format(name=name, state=state)
    if error := _error(record):
        yield error
    if record["completed"]:
        yield _("its run is completed")


def _error(record: Told) -> str:
    error, params = record.get("error"), record.get("error_params")
    if error and isinstance(params, Mapping):
        return error_text({"code": record.get("error_code"), "params": params, "message": error})
    return error_text(error)


def _waiting(told: Told, now: float) -> Iterator[str]:
    waiting = told["waiting"]
    if waiting is None:
        return
    if not waiting["doors_open"]:
        yield _("Registry and Event Hub are not up yet; no module starts before")
    if waiting["lacks_place"]:
        yield _("all it depends on is there; it waits for a place among those that start")
    yield from _missing(told["name"], waiting["on"], now)


def _missing(name: str, missing: list[Told], now: float) -> Iterator[str]:
    texts = {
        "ready": _("{name} waits for {other} to be ready"),
        "started": _("{name} waits for {other} to be started"),
        "completed": _("{name} waits for {other} to be completed"),
    }
    for each in missing:
        text = texts[each["condition"]].format(name=name, other=each["name"])
        if each["actual_state"] is None:
            yield text + "; " + _("nobody knows a module of that name")
            continue
        lasting = since(each["since"], now) or "?"
        state = state_word(each["actual_state"])
        text += "; " + _("{name} is {state}, for {duration}").format(
            name=each["name"], state=state, duration=lasting
        )
        if each["next_try"]:
            text += ", " + _("next try in {duration}").format(duration=until(each["next_try"], now))
        if each["error"]:
            text += ": " + error_text(each["error"])
        yield text
        yield from _missing(each["name"], each["on"], now)


def _config(told: Told) -> Iterator[str]:
    config = told["config"]
    if config is None:
        return
    state, file, line = config["state"], config["file"], config["line"]
    place = f"{file}:{line}" if line else file
    match config["origin"]:
        case "core":
            yield _("a core module: it comes with Kite, starts first and cannot be disabled")
        case "default":
            yield _("{state} by default: {place} says nothing else").format(
                state=state, place=place
            )
        case "override":
            yield _("{state}, as the project says over the module itself, in {place}").format(
                state=state, place=place
            )
        case "unreadable":
            yield _("not known, as {place} cannot be read").format(place=place)
        case _:
            yield _("{state}, as {place} says").format(state=state, place=place)


def _desired(told: Told, now: float) -> Iterator[str]:
    desired, config = told["desired"], told["config"] or {}
    if desired["state"] == "running":
        yield _("it shall run")
    elif desired["by_request"]:
        yield _("it shall not run: it was stopped on request, until a start by name")
    elif config.get("state") == "disabled":
        yield _("it shall not run: it is disabled")
    elif told["wanted"] and told["wanted_by"]:
        names = ", ".join(told["wanted_by"])
        yield _("it shall not run by itself, and does for who depends on it: {names}").format(
            names=names
        )
    else:
        yield _("it shall not run by itself: it is started by name, or for who depends on it")
    for asked in told["requests"][:1]:
        text = _("{verb} asked for by {who} {ago}").format(
            verb=asked["verb"], who=asked["by"], ago=ago(asked["at"], now)
        )
        yield f"{text}: {asked['reason']}" if asked["reason"] else text


def _exits(told: Told, now: float) -> Iterator[str]:
    ended = [life for life in told["lives"] if life["ended_at"] is not None]
    for life in ended[:MAX_EXITS]:
        text = _("life {life} ended {ago} after {duration}: {how}").format(
            life=life["life"],
            ago=ago(life["ended_at"], now),
            duration=span(life["seconds"] or 0.0),
            how=exit_text(life["exit_code"], life["signal"]),
        )
        if life["asked"]:
            text += "; " + _("its end was asked for: {reason}").format(reason=life["asked"])
        elif life["cause"] == "launch_timeout":
            text += "; " + _("it was not ready in time")
        elif life["cause"] == "unhealthy":
            text += "; " + _("it was found unhealthy")
        elif life["cause"] == "memory_limit":
            text += "; " + _("it used more memory than limits.memory allows")
        elif life["cause"] == "out_of_memory":
            text += "; " + _("the memory of its control group was used up")
        elif life["ready_at"] is None:
            text += "; " + _("it had not been ready")
        yield text


def _next(told: Told, now: float) -> Iterator[str]:
    record, restart = told["module"], told["restart"]
    if not told["running"]:
        if told["core"] is not None or (record["desired_state"] == "running"):
            yield _("the next kite up starts it")
        else:
            yield _("the next kite up leaves it alone")
        return
    if record["next_try"]:
        when = until(record["next_try"], now)
        is_run = record["actual_state"] == "stopped"
        text = _("next run in {duration}") if is_run else _("next try in {duration}")
        yield text.format(duration=when)
    if restart is not None and restart["next"] is not None:
        yield restarts.at_the_next_failure(restart)
