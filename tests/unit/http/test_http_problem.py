"""Errors as documents, and documents as errors again."""

from __future__ import annotations

import msgspec
import pytest

from kite.errors import ConfigError, InternalError, KiteError, PeerError, RequestError, Unavailable
from kite.http.client import Response, raise_for
from kite.http.problem import problem, problem_bytes, problem_headers


def over_the_wire(error):
    return Response(status=error.status, headers=problem_headers(error), body=problem_bytes(error))


def test_a_document_says_what_where_and_what_next():
    document = problem(RequestError("malformed_body", place="$.x", detail="wrong"))
    assert document["status"] == 422
    assert document["code"] == "malformed_body"
    assert document["place"] == "$.x"
    assert document["detail"] == "the body is wrong at $.x: wrong"
    assert document["params"] == {"place": "$.x", "detail": "wrong"}


def test_the_sentence_travels_in_english(monkeypatch):
    monkeypatch.setenv("KITE_LANG", "zh_CN")
    error = RequestError("not_found", path="x")
    assert error.message != error.english
    assert problem(error)["detail"] == "there is nothing at 'x'"


@pytest.mark.parametrize(
    "value", ["\ud800", "x" * 10_000, 10**30, b"raw", {"a": 1}, [1, "\udfff"], object()]
)
def test_any_parameter_can_travel(value):
    document = msgspec.json.decode(problem_bytes(RequestError("not_found", path=value)))
    assert document["code"] == "not_found"
    assert len(document["detail"]) < 1000


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RequestError("not_found", path="a"), RequestError),
        (RequestError("code_of_a_newer_kite", detail="x"), RequestError),
        (Unavailable("not_ready", what="the hub"), Unavailable),
        (PeerError("unauthorized"), PeerError),
        (InternalError("internal_error", detail="x"), RequestError),
    ],
)
def test_an_error_comes_back_with_its_code_and_params(error, kind):
    with pytest.raises(kind) as raised:
        raise_for(over_the_wire(error))
    assert raised.value.code == error.code
    for name, value in error.params.items():
        assert raised.value.params[name] == value


def test_headers_say_how_and_when():
    assert problem_headers(Unavailable("not_ready", what="x"))["retry-after"] == "1"
    assert problem_headers(Unavailable("not_ready", retry_after=7))["retry-after"] == "7"
    assert problem_headers(PeerError("unauthorized"))["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, b"", "unauthorized"),
        (401, b'{"code":"something else"}', "unauthorized"),
        (503, b"<html>", "not_ready"),
        (500, b"oh", "bad_status"),
        (404, b"[1]", "bad_status"),
        (404, b'{"code":5}', "bad_status"),
        (302, b'{"code":"not_found"}', "bad_status"),
        (
            404,
            b'{"code":"not_found","params":{"self":1,"code":2,"location":3,"path":"p"}}',
            "not_found",
        ),
        (404, b'{"code":"not_found","params":7}', "not_found"),
        (400, b"[" * 100_000, "bad_status"),
    ],
)
def test_answers_of_strangers(status, body, code):
    with pytest.raises(KiteError) as raised:
        raise_for(Response(status=status, headers={}, body=body), url="http://x")
    assert raised.value.code == code
    assert str(raised.value)


def test_success_is_returned():
    response = Response(status=204, headers={}, body=b"")
    assert raise_for(response) is response


def test_no_json_is_a_bad_response():
    with pytest.raises(PeerError) as raised:
        Response(status=200, headers={}, body=b"<html>").json()
    assert raised.value.code == "bad_response"


def test_a_config_error_is_no_problem():
    assert problem(ConfigError("bad_environment", detail="x"))["status"] == 500
