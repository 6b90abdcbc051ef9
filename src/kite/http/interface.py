"""What an HTTP interface offers, as a table beside its routes: the document is made from it.

A body and a query are named by the very type that the route reads them with, an answer by its
schema in `protocol/schemas` or by the type that is sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

JSON: Final = "application/json"

ANYBODY: Final = ("anybody",)
ANY_TOKEN: Final = ("launcher", "operator", "module")
OPERATOR: Final = ("operator",)

Shape = type[Any] | str
"""A type that msgspec knows, or the name of a schema in `protocol/schemas`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One way in which an operation succeeds.

    Args:
        what: in words.
        shape: of its JSON, or of each event of a stream; None: any JSON value, or text of
            `media_type`.
        headers: names of those that it has beside the usual; see `HEADERS` in `openapi`.
    """

    what: str
    shape: Shape | None = None
    status: int = 200
    media_type: str = JSON
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path.

    Args:
        method: `GET`, `POST` …; a `GET` may be asked as `HEAD` too.
        path: as in the route, such as `/modules/{module_id}`.
        id: unique in the interface.
        summary: a few words.
        who: whose tokens it is for; `module:<scope>` is a module with that scope.
        answers: how it succeeds.
        codes: what it may be refused with, beside what `Interface.codes_of` adds.
        more: further sentences.
        body: what it is read as; None: there is none.
        is_body_optional: whether an empty body does.
        query: what the query is read as (a struct).
        free_query: of an operation that takes any query parameters: what they mean.
        parameters: what those of the path mean.
    """

    method: str
    path: str
    id: str
    summary: str
    who: tuple[str, ...]
    answers: tuple[Answer, ...]
    codes: tuple[str, ...] = ()
    more: str = ""
    body: Shape | None = None
    is_body_optional: bool = False
    query: type[Any] | None = None
    free_query: str = ""
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether it needs no token."""
        return self.who == ANYBODY


HEALTH: Final = Operation(
    method="GET",
    path="/health",
    id="health",
    summary="Whether it is there",
    who=ANYBODY,
    answers=(Answer(what="it is", shape="health"),),
)
"""Open on every port."""


def metrics(who: tuple[str, ...] = ANY_TOKEN) -> Operation:
    """The numbers of a port, for those with a token of these kinds."""
    return Operation(
        method="GET",
        path="/metrics",
        id="metrics",
        summary="Numbers for Prometheus",
        who=who,
        answers=(Answer(what="Prometheus' text format", media_type="text/plain"),),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """All that one port offers.

    Args:
        name: of the core module.
        title, description: for the document.
        operations: in the order of the document.
        codes: what every operation may be refused with.
        token_codes: what those may be refused with that need a token.
        query_codes: what those may be refused with that have a query.
    """

    name: str
    title: str
    description: str
    operations: tuple[Operation, ...]
    codes: tuple[str, ...] = (
        "bad_host", "bad_origin", "bad_request", "head_too_large", "too_many_open",
    )  # fmt: skip
    token_codes: tuple[str, ...] = ("unauthorized",)
    query_codes: tuple[str, ...] = ("bad_query",)

    def codes_of(self, operation: Operation) -> tuple[str, ...]:
        """All codes that the operation may be refused with, in the order of the alphabet."""
        codes = {*self.codes, *operation.codes, "request_slow", "internal_error"}
        if not operation.is_open:
            codes |= set(self.token_codes)
        if "{" in operation.path:
            codes.add("not_found")  # of a name with a slash in it there is no such path
        if operation.query is not None or operation.free_query:
            codes |= set(self.query_codes)
        if operation.body is not None:
            codes |= {"body_too_large", "malformed_body"}
        return tuple(sorted(codes))
