"""Who has which token."""

from __future__ import annotations

import json

from kite.launcher.authority import OPERATOR, Authority, new_token
from kite.wire.token import is_token


def test_tokens_are_64_hex_digits_and_never_the_same() -> None:
    found = {new_token() for _ in range(100)}
    assert len(found) == 100
    assert all(is_token(token) for token in found)


def test_a_life_is_found_by_its_token_and_by_no_other() -> None:
    authority = Authority()
    token = authority.issue("docs", 3, publish=["docs.>"], subscribe=[], scopes=["x"])
    found = authority.find(token)
    assert found is not None
    name, grant = found
    assert (name, grant.life, grant.publish, grant.subscribe) == ("docs", 3, ("docs.>",), ())
    assert grant.scopes == ("x",)
    assert authority.find(new_token()) is None
    assert authority.find("") is None
    assert authority.find(authority.kite_token) is None, "it is no module's"


def test_the_operator_has_the_same_token_for_the_whole_run() -> None:
    authority = Authority()
    operator, kite = authority.operator_token, authority.kite_token
    authority.issue("docs", 1)
    authority.start_over()
    assert authority.operator_token == operator
    found = authority.find(operator)
    assert found is not None
    assert found[0] == OPERATOR
    assert authority.kite_token != kite


def test_each_life_has_a_token_until_it_is_revoked() -> None:
    authority = Authority()
    first = authority.issue("docs", 1)
    second = authority.issue("docs", 2, replica=1)
    told = authority.everybody()["docs"]
    assert [(each["token"], each["life"], each.get("replica")) for each in told] == [
        (first, 1, None),
        (second, 2, 1),
    ]
    authority.revoke("docs", 1)
    assert authority.find(first) is None
    assert authority.find(second) is not None
    authority.revoke("docs", 2)
    assert authority.find(second) is None


def test_every_change_is_counted() -> None:
    authority = Authority()
    versions = [authority.version]
    authority.issue("docs", 1)
    versions.append(authority.version)
    authority.revoke("docs", 1)
    versions.append(authority.version)
    authority.revoke("docs", 1)
    authority.revoke("ghost", 1)
    assert authority.version == versions[-1], "nothing has changed"
    assert versions == sorted(set(versions))


def test_everybody_is_named_the_dead_too() -> None:
    authority = Authority()
    token = authority.issue("docs", 1, publish=["a"], scopes=["s"])
    authority.issue("gone", 1)
    authority.revoke("gone", 1)
    told = json.loads(json.dumps(authority.everybody()))
    assert told == {
        OPERATOR: {"token": authority.operator_token},
        "docs": {"token": token, "publish": ["a"], "scopes": ["s"], "life": 1},
        "gone": None,
    }


def test_no_list_is_no_bound_and_an_empty_one_forbids() -> None:
    authority = Authority()
    authority.issue("free", 1)
    authority.issue("mute", 1, publish=[])
    told = authority.everybody()
    assert set(told["free"]) == {"token", "life"}
    assert list(told["mute"]["publish"]) == []


def test_starting_over_forgets_every_life() -> None:
    authority = Authority()
    token, version = authority.issue("a", 1), authority.version
    authority.start_over()
    assert authority.find(token) is None
    assert set(authority.everybody()) == {OPERATOR}
    assert authority.version > version


def test_the_operators_token_is_changed_without_locking_anybody_out() -> None:
    authority = Authority()
    old = authority.operator_token
    new = authority.offer_operator()
    assert authority.find(old) is not None
    assert authority.find(new) is not None
    assert authority.operator_token == old, "api.json does not name the new one yet"
    assert {each["token"] for each in authority.everybody()[OPERATOR]} == {old, new}
    authority.settle_operator(new)
    assert authority.find(old) is None
    assert authority.everybody()[OPERATOR] == {"token": new}
    authority.start_over()
    assert authority.operator_token == new


def test_an_operators_token_that_was_only_offered_dies_with_the_offer() -> None:
    authority = Authority()
    old = authority.operator_token
    new = authority.offer_operator()
    authority.settle_operator(old)
    assert authority.find(new) is None
    assert authority.find(old) is not None
    assert authority.everybody()[OPERATOR] == {"token": old}
