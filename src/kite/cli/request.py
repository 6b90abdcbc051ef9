"""`kite request`: publish a request and print the reply."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from kite.cli import report
from kite.cli.command import Verb
from kite.cli.session import Session
from kite.cli.usage import positive_seconds
from kite.errors import KiteError, RequestError
from kite.locale import _

ERROR_HEADER = "kite-error"


@click.command(
    cls=Verb,
    help=_(
        "Publish a request as the operator and print the data of the first reply."
        " Status 1 when nobody answers such requests or the reply is an error, 4 when none comes in time."
    ),
)
@click.option(
    "--timeout",
    callback=positive_seconds,
    default="5",
    show_default=True,
    metavar="SECONDS",
    help=_("how long to wait for the reply"),
)
@click.argument("subject")
@click.argument("data", metavar="[JSON|-]", required=False)
@click.pass_obj
def request(session: Session, *, timeout: float, subject: str, data: str | None) -> int:
    from kite.cli.hub import parse_data, run
    from kite.wire.subject import check_subject

    check_subject(subject)
    value = parse_data(data)
    control = session.control()
    try:
        reply = run(_ask(control, subject, value, timeout))
    except RequestError as late:
        names = _answering(control, subject) if late.code == "request_timeout" else ""
        if not names:
            raise
        raise RequestError("reply_late", **{**late.params, "names": names}) from None
    if isinstance(reply.headers, dict) and ERROR_HEADER in reply.headers:
        raise _refused(reply, subject)
    if isinstance(reply.data, str) and not session.wants_json:
        print(reply.data)
    else:
        report.document(reply.data)
    return 0


async def _ask(control: Any, subject: str, data: Any, timeout: float) -> Any:
    from kite.cli.hub import OPERATOR, connect, new_id
    from kite.clock import now_rfc3339
    from kite.wire.frame import Event

    inbox = f"_reply.{OPERATOR}.{new_id()}"
    replied: asyncio.Future[Event] = asyncio.get_running_loop().create_future()

    def on_event(event: Event) -> None:
        if not replied.done():
            replied.set_result(event)

    connection = await connect(control, on_event=on_event, on_lost=replied.cancel)
    try:
        async with asyncio.timeout(timeout):
            await connection.subscribe([inbox])
            event = Event(
                event=subject,
                data=data,
                event_id=new_id(),
                source=OPERATOR,
                timestamp=now_rfc3339(),
                reply_to=inbox,
                ack=True,
            )
            await connection.publish_acked(event, timeout=timeout)
            return await replied
    except TimeoutError:
        raise RequestError("request_timeout", subject=subject, timeout=timeout) from None
    except asyncio.CancelledError:
        if not replied.cancelled():
            raise
        control.get("/launcher")  # raises when Kite has ended
        raise RequestError("connection_lost") from None
    finally:
        await connection.close()


def _answering(control: Any, subject: str) -> str:
    """Who has told the Registry to answer such requests; nobody when that cannot be learnt."""
    from kite.wire.subject import matches

    try:
        entries = control.registry("/modules").json()["modules"]
    except KiteError:
        return ""
    return " ".join(
        str(entry["module_id"])
        for entry in entries
        if any(matches(pattern, subject) for pattern in entry.get("events_subscribe") or ())
    )


def _refused(reply: Any, subject: str) -> RequestError:
    """The error that a module answered with. Its own words are shown, as only it knows its codes."""
    data = reply.data if isinstance(reply.data, dict) else {}
    code = str(reply.headers[ERROR_HEADER])
    # Only a handler that broke has left something in its log; a refusal is the answer.
    return RequestError(
        "request_failed" if code == "handler_failed" else "request_refused",
        subject=subject,
        source=reply.source,
        code_given=code,
        detail=str(data.get("message") or code),
    )
