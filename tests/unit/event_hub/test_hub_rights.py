"""Who may publish and hear what."""

from __future__ import annotations

import pytest

from kite.event_hub.core.rights import Identity, reply_audience

FREE = Identity("alpha")
BOUND = Identity("alpha", publish=["docs.>"], subscribe=["docs.>", "*.changed"])
MUTE = Identity("alpha", publish=[], subscribe=[])


@pytest.mark.parametrize(
    ("who", "subject", "may"),
    [
        (FREE, "anything.at.all", True),
        (BOUND, "docs.a", True),
        (BOUND, "docs", False),
        (BOUND, "other.a", False),
        (MUTE, "docs.a", False),
        (MUTE, "_reply.beta.1", True),
        (FREE, "module.anything", False),
        (FREE, "launcher.x", False),
        (FREE, "registry.x", False),
        (FREE, "hub.started", False),
        (FREE, "_dead.x", False),
        (FREE, "module", True),
        (Identity("launcher"), "module.started", True),
        (Identity("launcher"), "launcher.x", True),
        (Identity("launcher"), "registry.x", False),
        (Identity("registry"), "registry.registered", True),
        (Identity("registry"), "module.started", False),
        (Identity("operator"), "docs.a", True),
        (Identity("operator"), "module.shutdown", False),
        (Identity("operator"), "hub.x", False),
    ],
)
def test_publish(who: Identity, subject: str, may: bool) -> None:
    assert who.may_publish(subject) == may


@pytest.mark.parametrize(
    ("who", "pattern", "may"),
    [
        (FREE, ">", True),
        (BOUND, "docs.>", True),
        (BOUND, "docs.*.x", True),
        (BOUND, ">", False),
        (BOUND, "*.x", False),
        (BOUND, "a.changed", True),
        (MUTE, "docs.a", False),
        (MUTE, "module.shutdown", True),
        (MUTE, "module.>", False),
        (FREE, "module.>", True),
        (MUTE, "_reply.alpha.>", True),
        (MUTE, "_reply.alpha.*.x", True),
        (FREE, "_reply.beta.>", False),
        (FREE, "_reply.beta", False),
        (FREE, "_reply.>", True),
        (FREE, "_reply.*.x", True),
        (MUTE, "_reply.>", False),
        (Identity("operator"), "_reply.beta.>", True),
        (Identity("alpha", subscribe=["_reply.beta.>"]), "_reply.beta.>", False),
    ],
)
def test_subscribe(who: Identity, pattern: str, may: bool) -> None:
    assert who.may_subscribe(pattern) == may


def test_a_web_page_does_not_speak_of_the_modules_life() -> None:
    assert MUTE.may_speak_of_itself("module.ready")
    assert not Identity("alpha", is_session=True).may_speak_of_itself("module.ready")
    assert not Identity("operator").may_speak_of_itself("module.ready")
    assert not FREE.may_speak_of_itself("module.started")


def test_replies() -> None:
    assert reply_audience("_reply.alpha.1.x") == "alpha"
    assert reply_audience("_reply") is None
    assert reply_audience("a._reply.b") is None
    assert FREE.may_hear_from("alpha")
    assert Identity("operator").may_hear_from("alpha")
    assert not Identity("launcher").may_hear_from("alpha")
    assert FREE.may_be_answered_at("_reply.alpha.1")
    assert not FREE.may_be_answered_at("_reply.alphabet.1")
    assert not FREE.may_be_answered_at("docs.a")
