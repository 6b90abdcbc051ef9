"""What a module tells the Hub about an event of a durable subscription, once it was handled."""

from __future__ import annotations

from kite.sdk.core.subscriptions import Durable
from kite.wire.frame import AckEvent, Event, NackEvent, Settlement

_FIRST_DELAY = 0.5
_MOST_DELAY = 60.0
_MOST_REASON = 300


def settlement(durable: Durable, event: Event, failure: BaseException | None) -> Settlement | None:
    """Done, or again: later with each attempt. None for an event that the Hub gave no number."""
    seq = event.seq
    if not isinstance(seq, int):
        return None
    if failure is None:
        return AckEvent(durable=durable.name, seq=seq)
    attempt = event.attempt if isinstance(event.attempt, int) else 1
    return NackEvent(
        durable=durable.name,
        seq=seq,
        delay=min(_MOST_DELAY, _FIRST_DELAY * 2.0 ** min(attempt - 1, 30)),
        reason=f"{type(failure).__name__}: {failure}"[:_MOST_REASON],
    )
