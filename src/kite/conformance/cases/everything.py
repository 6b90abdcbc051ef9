"""All cases in the order in which they are tried: what ends the Kite comes last."""

from __future__ import annotations

from typing import Final

from kite.conformance.case import Case
from kite.conformance.cases.asking import request
from kite.conformance.cases.crashing import crash
from kite.conformance.cases.denied import denial
from kite.conformance.cases.durable import durable
from kite.conformance.cases.golden import cases
from kite.conformance.cases.leaving import shutdown
from kite.conformance.cases.ordered import order
from kite.conformance.cases.reconnecting import reconnect
from kite.conformance.cases.starting import start

CASES: Final[tuple[Case, ...]] = (
    *start.cases,
    *request.cases,
    *order.cases,
    *denial.cases,
    *cases(),
    *crash.cases,
    *durable.cases,
    *reconnect.cases,
    *shutdown.cases,
)
FAMILIES: Final = tuple(dict.fromkeys(case.family for case in CASES))
