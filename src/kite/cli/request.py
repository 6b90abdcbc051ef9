"""`kite request`: publish requests and print the replies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kite.cli import report
from kite.cli.command import Verb
from kite.cli.hub.sending import sending_options, writer_of
from kite.cli.session import Session
from kite.cli.usage import bad_value, positive_count, positive_seconds
from kite.errors import KiteError, RequestError
from kite.locale import _

if TYPE_CHECKING:
    from kite.cli.control import Control
    from kite.cli.hub.asking import Reply
    from kite.cli.hub.payload import Writer

ERROR_HEADER = "kite-error"


def _replies(ctx: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    if value in ("0", "all"):
        return 0
    if value is not None and not value.isdecimal():
        raise bad_value(ctx, parameter, value, _("a whole number, or 'all'"))
    return None if value is None else int(value)


@click.command(
    cls=Verb,
    help=_(
        "Publish a request as the operator and print the data of the first reply."
        " Status 1 when nobody answers such requests or the reply is an error, 4 when none comes in time."
        " With --replies or --count each reply is a line: who answered, after how long, and the data."
    ),
)
@sending_options
@click.option(
    "--timeout",
    callback=positive_seconds,
    default="5",
    show_default=True,
    metavar="SECONDS",
    help=_("how long to wait for the reply"),
)
@click.option(
    "--replies",
    callback=_replies,
    metavar="N",
    help=_("wait for so many replies, or for all that come in time"),
)
@click.option(
    "--count",
    callback=positive_count,
    metavar="N",
    help=_("ask N times, one after the other, and say how long it took"),
)
@click.option("--raw", is_flag=True, help=_("show only the data, on one line, text without quotes"))
@click.argument("subject")
@click.argument("data", metavar="[JSON|-]", required=False)
@click.pass_obj
def request(session: Session, /, *, subject: str, data: str | None, **options: Any) -> int:
    from kite.cli.hub.connection import run
    from kite.cli.hub.payload import from_argument

    writer = writer_of(subject, from_argument(data), options)
    is_one = options["count"] is None and options["replies"] in (None, 1)
    printer = Printer(subject, wants_json=session.wants_json, raw=options["raw"], is_one=is_one)
    control = session.control()
    try:
        run(ask(control, writer, printer, options))
    except RequestError as late:
        names = _answering(control, late) if late.code == "request_timeout" else ""
        if not names:
            raise
        raise RequestError("reply_late", **{**late.params, "names": names}) from None
    finally:
        if options["count"] is not None:
            printer.summary()
    return printer.status


async def ask(control: Control, writer: Writer, printer: Printer, options: dict[str, Any]) -> None:
    """Ask as `timeout`, `replies` and `count` of the options have it, and print what comes."""
    from kite.cli.hub.asking import Asker

    timeout = options["timeout"]
    wanted = 1 if options["replies"] is None else options["replies"]
    asker = await Asker.open(control)
    try:
        for number in range(1, (options["count"] or 1) + 1):
            event = writer.event(number)
            came = await asker.ask(event, timeout=timeout, replies=wanted, on_reply=printer.show)
            if came < wanted:
                raise RequestError(
                    "replies_missing",
                    subject=event.event,
                    count=came,
                    wanted=wanted,
                    timeout=timeout,
                )
            if printer.status:
                return
    except KiteError as lost:
        if lost.code == "connection_lost":
            control.get("/launcher")  # raises when Kite has ended
        raise
    finally:
        await asker.close()


class Printer:
    """Prints replies: the only one as a document, several a line each.

    Attributes:
        status: the exit status so far.
        answer: the data of the last reply that was no error, as it came.
    """

    def __init__(self, subject: str, *, wants_json: bool, raw: bool, is_one: bool) -> None:
        self._subject = subject
        self._wants_json = wants_json
        self._raw = raw
        self._is_one = is_one
        self._times: list[float] = []
        self.status = 0
        self.answer = "null"

    def show(self, reply: Reply) -> None:
        """Print one, or say that it is an error."""
        self._times.append(reply.seconds)
        if problem := _refusal(reply, self._subject):
            if self._is_one:
                raise problem
            report.error(problem, wants_json=self._wants_json)
            self.status = self.status or report.exit_status(problem)
            return
        self.answer = bytes(reply.event.data).decode() or "null"
        report.data(self._text(reply))

    def _text(self, reply: Reply) -> str:
        from kite.cli.hub import json_text

        data = bytes(reply.event.data)
        if self._raw:
            return json_text.compact(data) if self._wants_json else json_text.bare(data)
        if self._is_one:
            is_text = data.lstrip()[:1] == b'"' and not self._wants_json
            return json_text.bare(data) if is_text else json_text.indented(data)
        if self._wants_json:
            return _json_line(reply)
        from kite.cli.figures import span
        from kite.terminal import name_color, paint

        source = reply.event.source
        source = paint(source, name_color(source), color=report.stdout_color())
        return f"{source} {span(reply.seconds)} {json_text.one_line(data)}"

    def summary(self) -> None:
        """Say how long it took."""
        if not self._times:
            return
        from kite.cli.figures import count, middle, span

        times = sorted(self._times)
        text = _("replies: {count}; fastest {least}, median {middle}, slowest {most}")
        report.say(
            text.format(
                count=count(len(times)),
                least=span(times[0]),
                middle=span(middle(times)),
                most=span(times[-1]),
            )
        )


def _json_line(reply: Reply) -> str:
    import json

    from kite.cli.hub.json_text import compact

    head = {"source": reply.event.source, "seconds": round(reply.seconds, 6)}
    data = compact(bytes(reply.event.data))
    return f'{json.dumps(head, ensure_ascii=False)[:-1]}, "data": {data}}}'


def _answering(control: Control, late: RequestError) -> str:
    """Who has told the Registry to answer such requests; nobody when that cannot be learnt."""
    from kite.wire.subject import matches

    try:
        entries = control.registry("/modules").json()["modules"]
    except KiteError:
        return ""
    subject = late.params["subject"]
    return " ".join(
        str(entry["module_id"])
        for entry in entries
        if any(matches(pattern, subject) for pattern in entry.get("events_subscribe") or ())
    )


def _refusal(reply: Reply, subject: str) -> RequestError | None:
    """The error that a module answered with. Its own words are shown, as only it knows its codes."""
    import json

    headers = json.loads(bytes(reply.event.headers) or b"{}")
    if ERROR_HEADER not in headers:
        return None
    found = json.loads(bytes(reply.event.data) or b"null")
    data = found if isinstance(found, dict) else {}
    code = str(headers[ERROR_HEADER])
    # Only a handler that broke has left something in its log; a refusal is the answer.
    return RequestError(
        "request_failed" if code == "handler_failed" else "request_refused",
        subject=subject,
        source=reply.event.source,
        code_given=code,
        detail=str(data.get("message") or code),
    )
