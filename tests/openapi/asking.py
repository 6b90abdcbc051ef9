"""One request as it is written in a table, and what it is refused with."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kite.errors import error_kinds
from kite.http.interface import Interface, Operation

TESTS = Path(__file__).parents[1]


@dataclass(frozen=True, kw_only=True)
class Case:
    """Bad input.

    Args:
        why: in a few words.
        asks: method and path.
        code: what it is refused with.
        who: name of a token; None: no `Authorization` at all.
        body: bytes, or what becomes JSON; None: none.
        headers: further ones, or others (None: without it).
        place: what is named as the place of the mistake.
        says: what the sentence has to hold.
    """

    why: str
    asks: str
    code: str
    who: str | None = "operator"
    body: Any = None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    place: str | None = None
    says: str = ""


def problems(interface: Interface, port: int, case: Case, tokens: Mapping[str, str]) -> list[str]:
    """Ask; what is wrong with the refusal: nothing, if it is as RFC 9457 and the document say."""
    method, path = case.asks.split(" ", 1)
    status, headers, document = ask(port, method, path, tokens.get(case.who or ""), case)
    kind = error_kinds()[case.code]
    expected: dict[str, Any] = {
        "code": case.code,
        "status": kind.status,
        "type": "about:blank",
        "title": http.client.responses[status],
    }
    found = [
        f"{key} is {document.get(key)!r}, not {value!r}"
        for key, value in expected.items()
        if document.get(key) != value
    ]
    if status != kind.status:
        found.append(f"status {status}")
    if headers.get("content-type") != "application/problem+json":
        found.append(f"content type {headers.get('content-type')}")
    if not document.get("detail") or "{" in re.sub(r"\[a-z\].*", "", document["detail"]):
        found.append(f"detail {document.get('detail')!r}")
    if case.says not in document.get("detail", ""):
        found.append(f"the detail does not say {case.says!r}: {document.get('detail')!r}")
    if case.place is not None and document.get("place") != case.place:
        found.append(f"place {document.get('place')!r}, not {case.place!r}")
    for wanted, name in ((401, "www-authenticate"), (405, "allow"), (503, "retry-after")):
        if status == wanted and not headers.get(name):
            found.append(f"no {name}")
    operation = operation_of(interface, method, path)
    if operation is not None and case.code not in interface.codes_of(operation):
        found.append(f"{case.code} is not in the document of {operation.id}")
    return [f"{case.why} ({case.asks}): {each}" for each in found]


def ask(
    port: int, method: str, path: str, token: str | None, case: Case
) -> tuple[int, dict[str, str], dict[str, Any]]:
    headers: dict[str, str | None] = {"Host": f"127.0.0.1:{port}"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    headers |= case.headers
    body = case.body
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.putrequest(method, path, skip_host=True)
        for name, value in headers.items():
            for each in (value or "").split("\n") if value is not None else ():
                connection.putheader(name, each)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    told = {name.lower(): value for name, value in answer.getheaders()}
    try:
        document = json.loads(text)
    except ValueError:
        document = {"detail": f"no JSON: {text[:100]!r}"}
    return answer.status, told, document if isinstance(document, dict) else {"detail": document}


def operation_of(interface: Interface, method: str, path: str) -> Operation | None:
    """The row of a request, if there is one."""
    for operation in interface.operations:
        pattern = re.sub(r"\{\w+:path\}", ".+", operation.path)
        pattern = re.sub(r"\{\w+\}", "[^/]+", pattern)
        if operation.method == method and re.fullmatch(pattern, path.partition("?")[0]):
            return operation
    return None


def untested(interface: Interface, cases: Iterable[Case], elsewhere: Mapping[str, str]) -> set[str]:
    """The codes of an interface that no case has, and no test elsewhere is named for.

    Args:
        elsewhere: by code the test that gets it from the real thing: file and function.
    """
    for code, place in elsewhere.items():
        file, _, function = place.partition("::")
        text = (TESTS / file).read_text("utf-8")
        assert f"def {function}(" in text, f"{place} is no test"
        assert code in text, f"{place} does not speak of {code}"
    codes = {code for each in interface.operations for code in interface.codes_of(each)}
    return codes - {case.code for case in cases} - set(elsewhere)
