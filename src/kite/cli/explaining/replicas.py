"""Each of several replicas in sentences: where it stands, what failed, what it printed last. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kite.cli.explaining import restarts
from kite.launcher.progress import reason_of, state_word
from kite.launcher.story import exit_text, last_words
from kite.locale import _

Told = Mapping[str, Any]

_OVER = ("backing_off", "failed")


def has_several(told: Told) -> bool:
    """Whether there is more than one process to tell of."""
    return len(told["module"].get("replicas") or ()) > 1


def each(told: Told, now: float) -> Iterator[str]:
    """All of them, in the order of the record."""
    documents = {(r["replica"], r["life"]): r["restart"] for r in told.get("replicas") or ()}
    for record in told["module"]["replicas"]:
        which = _("replica {replica}").format(replica=record["replica"])
        yield f"{which}: {_standing(record, now)}"
        restart = documents.get((record["replica"], record["life"]))
        if restart is not None and (restart["failures"] or restart["give_ups"]):
            told_of_it = {"module": record, "restart": restart}
            yield from (f"{which}: {text}" for text in restarts.history(told_of_it, now))
        yield from (f"{which} {line}" for line in last_words(record, color=False))


def _standing(record: Told, now: float) -> str:
    from kite.cli.ps import crash_loop_words, health_words, next_words

    parts = [state_word(str(record["actual_state"]))]
    if record["pid"] is not None:
        parts.append(_("life {life}, pid {pid}").format(life=record["life"], pid=record["pid"]))
    elif record["life"]:
        parts.append(_("life {life}").format(life=record["life"]))
    parts += [crash_loop_words(record), reason_of(record)]
    has_ended = record.get("exit_code") is not None or record.get("signal") is not None
    if record["actual_state"] in _OVER and has_ended and not reason_of(record):
        parts.append(exit_text(record["exit_code"], record["signal"]))
    parts += [health_words(record), next_words(record, now)]
    return "; ".join(part for part in parts if part)
