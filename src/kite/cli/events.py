"""`kite events`: watch events as they happen, and those that were kept."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import click

from kite.cli.command import Verb
from kite.cli.session import Session
from kite.cli.usage import exclusive, instant, needs, positive_count
from kite.locale import _

if TYPE_CHECKING:
    from kite.cli.hub.watching import Watcher


@click.command(
    cls=Verb,
    help=_(
        "Watch events as they happen: time, subject, source and data. A PATTERN is a subject in"
        " which * stands for one word and a last > for the rest; without one, all events."
        " Ends with Ctrl-C, after --count events, or with status 3 when Kite ends."
        " Watching never slows anybody down: what is too much for this terminal is left out,"
        " and how much that was is said."
    ),
)
@click.option("--count", callback=positive_count, metavar="N", help=_("end after this many events"))
@click.option(
    "--since",
    callback=instant,
    metavar="WHEN",
    help=_("first what was kept since then: 30s, 5m, 2h, or an instant in RFC 3339"),
)
@click.option("--no-follow", is_flag=True, help=_("with --since: end when that has been read"))
@click.option(
    "--rate", is_flag=True, help=_("show only how many come: each second, and all together")
)
@click.option("--headers", is_flag=True, help=_("show headers too"))
@click.option("--raw", is_flag=True, help=_("show only the data, text without quotes"))
@click.option(
    "--template",
    metavar="TEXT",
    help=_(
        "show each event as TEXT, in which {{subject}}, {{source}}, {{time}}, {{data}},"
        " {{data.user.0}}, {{headers.NAME}} … are filled in"
    ),
)
@click.option(
    "--queue",
    metavar="NAME",
    help=_("be a member of this queue group: what comes here reaches none of its other members"),
)
@click.argument("patterns", metavar="[PATTERN]...", nargs=-1)
@click.pass_context
def events(
    ctx: click.Context,
    /,
    *,
    count: int | None,
    since: str | None,
    no_follow: bool,
    queue: str | None,
    patterns: tuple[str, ...],
    **how: Any,
) -> int:
    from kite.cli.hub.connection import run
    from kite.cli.hub.watching import Wish, watch
    from kite.wire.subject import check_pattern

    needs(ctx, "no_follow", "since")
    for one, other in (("since", "queue"), ("raw", "template"), ("headers", "template")):
        exclusive(ctx, one, other)
    for shape in ("raw", "template", "headers"):
        exclusive(ctx, "rate", shape)
    wanted = [check_pattern(pattern) for pattern in patterns] or [">"]
    session = ctx.ensure_object(Session)
    watcher = _watcher(session, count, how)
    wish = Wish(patterns=wanted, queue=queue, since=since, follow=not no_follow)
    control = session.control()
    try:
        with contextlib.suppress(KeyboardInterrupt):  # that is how watching ends
            run(watch(control, wish, watcher))
    finally:
        watcher.end()
    return 0


def _watcher(session: Session, count: int | None, how: dict[str, Any]) -> Watcher:
    from kite.cli.hub import event_lines

    if how["rate"]:
        from kite.cli.hub.event_rate import RateWatcher

        return RateWatcher(wants_json=session.wants_json, left=count)
    if how["template"] is not None:
        show = event_lines.by_template(how["template"])
    elif session.wants_json and not how["raw"]:
        show = event_lines.as_sent
    elif how["raw"]:
        show = event_lines.data_only(wants_json=session.wants_json)
    else:
        show = event_lines.for_people(headers=how["headers"])
    return event_lines.Printer(show, left=count)
