"""What may be said about oneself."""

from __future__ import annotations

import msgspec
import pytest

from kite.errors import ConfigError, RequestError
from kite.registry.config import RegistryConfig
from kite.registry.core.registration import ModulesRequest


def request(**fields):
    return msgspec.convert({"action": "register", "module_id": "alpha", **fields}, ModulesRequest)


def test_null_is_the_same_as_left_out():
    asked = request(name=None, tools=None, metadata={})
    asked.check()
    assert asked.registration().fields() == {"metadata": {}}


@pytest.mark.parametrize(
    "fields",
    [
        {"api_endpoint": "http://127.0.0.1:8080"},
        {"api_endpoint": "https://example.org/base/"},
        {"api_endpoint": "http://[::1]:80"},
        {"api_endpoint": "http://h:1", "health_endpoint": "/health"},
        {"api_endpoint": "http://h:1", "health_endpoint": "health?x=1"},
        {"health_endpoint": "http://127.0.0.1:9/h"},
        {"events_publish": {"a.b": "why"}, "events_subscribe": ["c.>"]},
        {"events_publish": ["a"], "events_subscribe": {"c": None}},
    ],
)
def test_good(fields):
    request(**fields).check()


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"action": "dance"}, "$.action"),
        ({"module_id": ""}, "$.module_id"),
        ({"module_id": "a" * 65}, "$.module_id"),
        ({"module_id": "../x"}, "$.module_id"),
        ({"life": 0}, "$.life"),
        ({"ttl": 0}, "$.ttl"),
        ({"ttl": -1.5}, "$.ttl"),
        ({"api_endpoint": "127.0.0.1:80"}, "$.api_endpoint"),
        ({"api_endpoint": ""}, "$.api_endpoint"),
        ({"api_endpoint": "http://:80"}, "$.api_endpoint"),
        ({"api_endpoint": "http://h:0"}, "$.api_endpoint"),
        ({"api_endpoint": "http://h:99999"}, "$.api_endpoint"),
        ({"api_endpoint": "http://h/\n"}, "$.api_endpoint"),
        ({"api_endpoint": "http://[::1"}, "$.api_endpoint"),
        ({"health_endpoint": "/health"}, "$.health_endpoint"),
        ({"api_endpoint": "http://h:1", "health_endpoint": ""}, "$.health_endpoint"),
        ({"api_endpoint": "http://h:1", "health_endpoint": "/a b"}, "$.health_endpoint"),
        ({"health_endpoint": "http://h:x"}, "$.health_endpoint"),
        ({"health_endpoint": "ftp://x"}, "$.health_endpoint"),
    ],
)
def test_mistakes_are_named_by_their_place(fields, place):
    with pytest.raises(RequestError) as refused:
        request(**fields).check()
    assert refused.value.code == "malformed_body"
    assert refused.value.params["place"] == place


def test_a_heartbeat_is_not_asked_about_endpoints():
    request(action="heartbeat", api_endpoint="nonsense").check()


@pytest.mark.parametrize(
    ("section", "wanted", "ttl"),
    [({}, None, 30.0), ({"ttl": 2}, None, 2.0), ({}, 600.0, 600.0), ({}, 1e9, 3600.0), ({}, 0.1, 1.0),
     ({"ttl": 5, "max_ttl": 6}, 7.0, 6.0), ({"unknown": 1}, None, 30.0)],
)  # fmt: skip
def test_lease_times(section, wanted, ttl):
    assert RegistryConfig.of(section).lease(wanted) == ttl


@pytest.mark.parametrize(
    "section", [{"ttl": "x"}, {"ttl": 0}, {"ttl": -3}, {"ttl": 9, "max_ttl": 8}, {"origins": "x"}]
)
def test_wrong_configuration(section):
    with pytest.raises(ConfigError) as refused:
        RegistryConfig.of(section)
    assert refused.value.code == "bad_environment"
