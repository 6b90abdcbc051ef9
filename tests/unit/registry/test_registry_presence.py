"""Whom the Registry takes for heard by the Hub, and what that does to leases."""

from kite.registry.core.catalog import Catalog
from kite.registry.core.presence import Presence
from kite.registry.core.registration import Registration

ALPHA = ("alpha", 1)
TTL, LONG, WITHIN = 30.0, 3600.0, 12.5


def test_a_life_is_heard_while_one_that_answers_is_not_silent():
    presence = Presence(TTL)
    assert not presence.hears(ALPHA)
    assert presence.told(ALPHA, answering=2, silent=0, within=WITHIN)
    assert not presence.told(ALPHA, answering=2, silent=1, within=WITHIN), "nothing new"
    assert presence.hears(ALPHA)
    assert presence.told(ALPHA, answering=2, silent=2, within=WITHIN)
    assert not presence.hears(ALPHA)


def test_who_cannot_be_known_to_answer_is_not_heard():
    presence = Presence(TTL)
    assert not presence.told(ALPHA, answering=0, silent=0, within=WITHIN)
    assert not presence.hears(ALPHA)


def test_whose_silence_would_be_told_too_late_is_not_heard():
    presence = Presence(TTL)
    assert not presence.told(ALPHA, answering=1, silent=0, within=TTL + 0.1)
    assert not presence.hears(ALPHA)


def test_another_life_is_another_matter():
    presence = Presence(TTL)
    presence.told(ALPHA, answering=1, silent=0, within=WITHIN)
    assert not presence.hears(("alpha", 2))
    assert not presence.hears(("alpha", None))


def test_what_was_said_is_forgotten_with_the_hub():
    presence = Presence(TTL)
    presence.told(ALPHA, answering=1, silent=0, within=WITHIN)
    presence.forget()
    assert not presence.hears(ALPHA)


def catalog(*, is_fixed=False):
    made = Catalog()
    made.register(
        "alpha", 1, Registration(), ttl=TTL, now=0.0, wall=1e9, is_own=True, is_fixed=is_fixed
    )
    return made


def test_a_lease_may_be_made_longer_and_shorter():
    leases = catalog()
    assert leases.relet(ALPHA, LONG, now=5.0, left=LONG)
    assert leases.next_deadline() == 5.0 + LONG
    assert leases.renew("alpha", 1, now=10.0) == LONG
    assert leases.relet(ALPHA, TTL, now=100.0, left=22.5)
    assert [entry.key for entry in leases.expire(122.5)] == [ALPHA]


def test_a_renewal_may_change_how_long_a_lease_is():
    leases = catalog()
    assert leases.renew("alpha", 1, now=10.0, ttl=LONG) == LONG
    assert leases.renew("alpha", 1, now=20.0, ttl=TTL) == TTL
    assert leases.next_deadline() == 20.0 + TTL


def test_a_lease_that_was_asked_for_stays_as_it_is():
    leases = catalog(is_fixed=True)
    assert not leases.relet(ALPHA, LONG, now=5.0, left=LONG)
    assert leases.renew("alpha", 1, now=10.0, ttl=LONG) == TTL
    assert leases.next_deadline() == 10.0 + TTL


def test_who_has_no_entry_has_no_lease():
    assert not Catalog().relet(ALPHA, LONG, now=5.0, left=LONG)
