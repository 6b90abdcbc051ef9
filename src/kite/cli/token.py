"""`kite token rotate`: fresh tokens for everybody, one after the other, while the system runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import click

from kite.cli import report
from kite.cli.command import Verb
from kite.cli.control import Control, module_path
from kite.cli.names import complete
from kite.cli.operate import WAIT_SECONDS
from kite.cli.session import Session
from kite.cli.token_order import Step, steps
from kite.errors import KiteError
from kite.locale import _

REASON = "token_rotation"


@click.group(
    help=_("Change the tokens by which Kite and its modules know each other."),
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
)
@click.pass_context
def token(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        print(ctx.get_help())


@token.command(
    cls=Verb,
    help=_(
        "Give everybody a fresh token, or those that are named; the old ones are dead then. A token"
        " belongs to a process, so that each module is restarted, one after the other, those first"
        " that others depend on: rolling where it has replicas, else by stop and start. Registry and"
        " Event Hub are restarted alone, and 'operator', the command line's own, comes last."
    ),
    short_help=_("give everybody a fresh token"),
)
@click.option(
    "--rolling",
    is_flag=True,
    help=_("of every module the new process is ready before the old one goes"),
)
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete)
@click.pass_obj
def rotate(session: Session, names: Sequence[str], *, rolling: bool) -> int:
    control = session.control()
    records = control.get("/launcher/modules").json()["modules"]
    plan = steps(records, names, all_rolling=rolling)
    status, done = 0, []
    for each in plan:
        outcome = _Outcome.of(each)
        if each.how != "none":
            try:
                outcome.life = _perform(control, each)
                outcome.outcome = "rotated"
            except KiteError as error:
                report.error(error, wants_json=session.wants_json)
                status = status or report.exit_status(error)
                outcome.why = error.code
        done.append(outcome)
        if not session.wants_json:
            print(_line(outcome), flush=True)
    if session.wants_json:
        report.document({"tokens": [asdict(each) for each in done]})
    return status


@dataclass(slots=True, kw_only=True)
class _Outcome:
    name: str
    outcome: str
    how: str
    life: int | None
    why: str | None

    @classmethod
    def of(cls, step: Step) -> _Outcome:
        """Before anything is done."""
        outcome = "skipped" if step.how == "none" else "failed"
        return cls(name=step.name, outcome=outcome, how=step.how, life=None, why=step.why)


def _perform(control: Control, step: Step) -> int | None:
    if step.how == "file":
        control.post("/launcher/token", timeout=WAIT_SECONDS)
        control.get("/launcher")  # with the new one: it works before this says so
        return None
    body: dict[str, Any] = {"reason": REASON}
    if step.how == "rolling":
        body["rolling"] = True
    path = module_path(step.name, "/restart?wait=1")
    record: Mapping[str, Any] = control.post(path, body, timeout=WAIT_SECONDS).json()
    return int(record["life"])


def _line(outcome: _Outcome) -> str:
    name, life, why = outcome.name, outcome.life, outcome.why
    match outcome.outcome, outcome.how:
        case "rotated", "rolling":
            text = _("{name}: a fresh token, life {life}, without a gap")
        case "rotated", "file":
            text = _("{name}: a fresh token, in api.json")
        case "rotated", _how:
            text = _("{name}: a fresh token, life {life}")
        case "failed", _how:
            text = _("{name}: failed ({why})")
        case _ if why == "job":
            text = _("{name}: its token ends with this run")
        case _:
            text = _("{name}: has no process, and so no token")
    return text.format(name=name, life=life, why=why)
