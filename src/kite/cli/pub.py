"""`kite pub`: publish events as the operator."""

from __future__ import annotations

from typing import Any

import click

from kite.cli import report
from kite.cli.command import Verb
from kite.cli.hub.sending import sending_options, writer_of
from kite.cli.session import Session
from kite.cli.usage import exclusive, positive_count, positive_duration, positive_number
from kite.locale import _

INTERRUPTED = 130


@click.command(
    cls=Verb,
    help=_(
        "Publish an event as the operator, and say to how many it goes. JSON is any JSON value"
        " (text in quotes: '\"hello\"'), - reads it from standard input, without it data is null."
        " With --lines each line of standard input is an event, sent as it comes."
        " Many are sent in order, as fast as the Event Hub acknowledges them;"
        " the first that is wrong or refused ends it, and a summary says how many went out."
    ),
)
@sending_options
@click.option("--count", callback=positive_count, metavar="N", help=_("publish it N times"))
@click.option(
    "--lines", is_flag=True, help=_("publish each line of standard input (JSON, or --text)")
)
@click.option(
    "--rate",
    callback=positive_number,
    metavar="N",
    help=_("publish N events a second, on average"),
)
@click.option(
    "--sleep",
    callback=positive_duration,
    metavar="DURATION",
    help=_("wait so long between two events: 2s, 100ms"),
)
@click.argument("subject")
@click.argument("data", metavar="[JSON|-]", required=False)
@click.pass_context
def pub(ctx: click.Context, /, *, subject: str, data: str | None, **options: Any) -> int:
    from kite.cli.hub.connection import run
    from kite.cli.hub.payload import from_argument

    session = ctx.ensure_object(Session)
    count, lines = options["count"], options["lines"]
    for one, other in (("rate", "sleep"), ("lines", "count"), ("lines", "template")):
        exclusive(ctx, one, other)
    if data != "-":
        exclusive(ctx, "lines", "data")
    writer = writer_of(subject, None if lines else from_argument(data), options)
    if not lines and count is None:
        ack = run(_publish(session.control(), writer.event(1)))
        _tell_one(session, ack)
        return 0
    return _many(session, subject, writer, options)


async def _publish(control: Any, event: Any) -> dict[str, Any]:
    from kite.cli.hub.connection import connect
    from kite.cli.hub.sending import stamped

    connection = await connect(control)
    try:
        ack = await connection.publish_acked(stamped(event))
    finally:
        await connection.close()
    return {"event": event.event, "event_id": ack.event_id, "delivered": ack.delivered or 0}


def _tell_one(session: Session, ack: dict[str, Any]) -> None:
    if session.wants_json:
        report.document(ack)
        return
    text = _("delivered to {count}: {subject}")
    report.data(text.format(count=ack["delivered"], subject=ack["event"]))


def _many(session: Session, subject: str, writer: Any, options: dict[str, Any]) -> int:
    from kite.cli.hub.connection import run
    from kite.cli.hub.publishing import Pace
    from kite.cli.hub.sending import Lines, Repeated

    source: Any = Repeated(writer, options["count"])
    if options["lines"]:
        source = Lines(writer, is_text=options["text"])
    pace = Pace()
    if options["rate"]:
        pace = Pace(interval=1 / options["rate"])
    elif options["sleep"]:
        pace = Pace(interval=options["sleep"], catches_up=False)
    tally = run(_publish_many(session.control(), source, pace))
    _tell_many(session, subject, tally)
    problems = [first for first, _count in tally.refused.values()]
    for problem, count in tally.refused.values():
        report.error(problem, wants_json=session.wants_json)
        if count > 1 and not session.wants_json:
            report.say(_("       and {count} more like it").format(count=count - 1))
    if tally.failure is not None:
        problems.append(tally.failure)
        report.error(tally.failure, wants_json=session.wants_json)
    if problems:
        return report.exit_status(problems[0])
    return INTERRUPTED if tally.was_interrupted else 0


async def _publish_many(control: Any, source: Any, pace: Any) -> Any:
    from kite.cli.hub.connection import connect, interrupts
    from kite.cli.hub.publishing import Publishing
    from kite.cli.hub.sending import stamped

    connection = await connect(control)
    try:
        publishing = Publishing(connection, source, stamp=stamped, pace=pace)
        with interrupts(publishing.interrupt):
            return await publishing.run()
    finally:
        await connection.close()


def _tell_many(session: Session, subject: str, tally: Any) -> None:
    """The summary. It is what there is to know, so it goes to standard output."""
    from kite.cli.figures import count, rate, span

    if session.wants_json:
        report.document(
            {
                "event": subject,
                "published": tally.accepted,
                "delivered": tally.delivered,
                "refused": tally.refusals,
                "unknown": tally.unknown,
                "seconds": round(tally.seconds, 6),
                "rate": round(tally.rate, 3),
            }
        )
        return
    text = _("published {count} in {seconds}, {rate} events/s; delivered {delivered}")
    line = text.format(
        count=count(tally.accepted),
        seconds=span(tally.seconds),
        rate=rate(tally.rate),
        delivered=count(tally.delivered),
    )
    if tally.refusals:
        line += "; " + _("refused {count}").format(count=count(tally.refusals))
    if tally.unknown:
        line += "; " + _("not acknowledged {count}").format(count=count(tally.unknown))
    report.data(line)
