"""`kite pub`: publish an event as the operator."""

from __future__ import annotations

from typing import Any

import click

from kite.cli import report
from kite.cli.command import Verb
from kite.cli.session import Session
from kite.locale import _


@click.command(
    cls=Verb,
    help=_(
        "Publish an event as the operator, and say to how many it goes. JSON is any JSON value"
        " (text in quotes: '\"hello\"'), - reads it from standard input, without it data is null."
    ),
)
@click.argument("subject")
@click.argument("data", metavar="[JSON|-]", required=False)
@click.pass_obj
def pub(session: Session, subject: str, data: str | None) -> int:
    from kite.cli.hub import parse_data, run
    from kite.wire.subject import check_subject

    check_subject(subject)
    value = parse_data(data)
    ack = run(_publish(session.control(), subject, value))
    if session.wants_json:
        report.document(ack)
    else:
        text = _("delivered to {count}: {subject}")
        print(text.format(count=ack["delivered"], subject=subject))
    return 0


async def _publish(control: Any, subject: str, data: Any) -> dict[str, Any]:
    from kite.cli.hub import OPERATOR, connect, new_id
    from kite.clock import now_rfc3339
    from kite.wire.frame import Event

    connection = await connect(control, on_event=lambda _event: None)
    try:
        event = Event(
            event=subject,
            data=data,
            event_id=new_id(),
            source=OPERATOR,
            timestamp=now_rfc3339(),
            ack=True,
        )
        ack = await connection.publish_acked(event)
    finally:
        await connection.close()
    return {"event": subject, "event_id": ack.event_id, "delivered": ack.delivered or 0}
