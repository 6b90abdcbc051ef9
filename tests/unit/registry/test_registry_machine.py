"""The Registry as a whole against a naive one: leases, tokens, sessions, and what the Hub makes of them.

Modules come and go, say true and false things with good, late and narrow tokens, time passes, the Registry
cannot run for a while, or is killed and restored.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from naive_registry import (
    CORE,
    MOST,
    TTL,
    Lease,
    Lists,
    Token,
    first_wider,
    is_within,
    may_publish,
    may_subscribe,
    speaks_for,
)

from kite.clock import rfc3339
from kite.errors import KiteError
from kite.event_hub.core.tokens import TokenTable, decode_digests
from kite.registry.config import RegistryConfig
from kite.registry.core.posted import parse_posted
from kite.registry.core.registration import ModulesRequest
from kite.registry.service import STALL_SECONDS, Registry
from kite.testing.clock import FakeClock
from kite.wire.token import digest

KITE = f"{0:064x}"
NAMES = st.sampled_from(["alpha", "beta", "event_hub", "operator"])
LIVES = st.none() | st.integers(1, 3)
LISTS = st.sampled_from([None, (), ("a.>",), ("a.b",), ("a.*", "b"), ("*.b", "b.>"), (">",)])
PATTERNS = st.sampled_from([
    "a", "a.b", "a.*", "a.>", "*.b", "*", ">", "b.>", "*.*.b", "a.q.b", "_reply.>", "_reply.*.a",
    "_reply.alpha.>", "_reply.alpha.*", "_reply.alpha", "_reply.beta.a", "module.shutdown",
    "module.>", "hub.started",
])  # fmt: skip
SUBJECTS = st.sampled_from([
    "a", "a.b", "a.q", "b", "q.b", "b.a.q", "module.ready", "launcher.x", "registry.x", "hub.x",
    "_dead.x", "module", "_reply.alpha.1", "_reply.beta.1",
])  # fmt: skip
PICK = st.integers(0, 10_000)
OFTEN = st.sampled_from([True, True, True, False])


def posted_as(token: Token) -> dict[str, Any]:
    """A token as `POST /tokens` has it."""
    lists = {"publish": token.publish, "subscribe": token.subscribe}
    plain = {key: None if value is None else list(value) for key, value in lists.items()}
    return {"token": token.text, "life": token.life, **plain}


class RegistryMachine(RuleBasedStateMachine):
    """The model: tokens by their text, entries in the order of their registration."""

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = FakeClock()
        self.serial = 0
        self.tokens: dict[str, Token] = {}
        self.dead: list[str] = []
        self.entries: list[Lease] = []
        self.hub = TokenTable()
        self.open()
        self.post(
            {
                "alpha": [(1, ("a.>",), None)],
                "beta": [(None, None, ())],
                "operator": [(None, None, None)],
            }
        )

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.run(self.close())
            self.loop.close()
            self.folder.cleanup()

    def open(self) -> None:
        self.registry = Registry(
            kite_token=KITE,
            config=RegistryConfig(),
            clock=self.clock,
            directory=Path(self.folder.name),
            announce=lambda _subject, _data: None,
        )

    async def close(self) -> None:
        await self.registry._store.written()  # a kill that comes later loses nothing of this
        self.registry.stop()

    # -- helpers

    @property
    def now(self) -> float:
        return self.clock.monotonic()

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def code_of(self, work: Any) -> tuple[str, Any]:
        """How it ended: the code of a refusal, or "" and the answer."""
        try:
            return "", self.run(work)
        except KiteError as refused:
            return refused.code, None

    def new(self, name: str, life: int | None, publish: Lists, subscribe: Lists) -> Token:
        self.serial += 1
        return Token(f"{self.serial:064x}", name, life, publish, subscribe)

    def any_token(self, pick: int) -> str:
        """One that is live, one that was, or the Launcher's."""
        everybody = [*self.tokens, *self.dead[-4:], KITE]
        return everybody[pick % len(everybody)]

    def told_by(self, pick: int, name: str, life: int | None, is_honest: bool) -> Any:
        """A token, and what is said with it: about oneself, or anybody."""
        text = self.any_token(pick)
        if is_honest and (who := self.tokens.get(text)) is not None:
            return text, who.name, who.life
        return text, name, life

    def owner(self, text: str) -> Token | None:
        """Whose it is now, the Launcher's apart."""
        self.expire()
        return self.tokens.get(text)

    def meant(self, name: str, life: int | None) -> list[Lease]:
        every = [each for each in self.entries if each.name == name]
        if life is None or name in CORE:
            return every
        return [each for each in every if each.life in (life, None)]

    def remove(self, gone: list[Lease]) -> None:
        self.entries = [each for each in self.entries if each not in gone]

    def forget(self, text: str) -> None:
        del self.tokens[text]
        self.dead.append(text)

    def expire(self) -> None:
        """What the Registry does when it is asked anything."""
        deadlines = [each.deadline for each in self.entries if each.deadline is not None]
        if deadlines and self.now - min(deadlines) > STALL_SECONDS:
            for each in self.entries:
                if each.deadline is not None:
                    each.deadline = self.now + each.ttl
        self.remove([e for e in self.entries if e.deadline is not None and e.deadline <= self.now])
        for text, token in list(self.tokens.items()):
            if token.deadline is not None and token.deadline <= self.now:
                self.forget(text)

    # -- who is who

    @rule(
        wished=st.dictionaries(
            NAMES, st.lists(st.tuples(LIVES, LISTS, LISTS), max_size=2), max_size=2
        ),
        keeps=st.booleans(),
    )
    def post(self, wished: dict[str, list[Any]], keeps: bool = False) -> None:
        self.expire()
        named: dict[str, list[Token]] = {}
        for name, values in wished.items():
            old = [t for t in self.tokens.values() if t.name == name and t.parent is None]
            named[name] = old[:1] * keeps + [self.new(name, *value) for value in values]
        self.tell(named)

    @rule(pick=PICK, publish=LISTS, subscribe=LISTS)
    def repost_with_other_lists(self, pick: int, publish: Lists, subscribe: Lists) -> None:
        self.expire()
        given = [t for t in self.tokens.values() if t.parent is None]
        if given:
            chosen = given[pick % len(given)]
            other = Token(chosen.text, chosen.name, chosen.life, publish, subscribe)
            rest = [t for t in given if t.name == chosen.name and t is not chosen]
            self.tell({chosen.name: [*rest, other]})

    def tell(self, named: dict[str, list[Token]]) -> None:
        body = {
            name: [posted_as(token) for token in tokens] or None for name, tokens in named.items()
        }
        self.run(self.registry.post_tokens(parse_posted(body), None))
        for text, token in list(self.tokens.items()):
            if token.parent is None and token.name in named:
                self.forget(text)
        for tokens in named.values():
            for token in tokens:
                self.tokens[token.text] = token
                self.dead = [text for text in self.dead if text != token.text]
        for text, token in list(self.tokens.items()):
            if token.parent is not None:
                parent = self.tokens.get(token.parent)
                if parent is None or first_wider(parent, token.publish, token.subscribe):
                    self.forget(text)
        for name, tokens in named.items():
            lives = {token.life for token in tokens if token.life is not None}
            if len(lives) == len(tokens):
                gone = [e for e in self.entries if e.name == name and e.life not in (None, *lives)]
                self.remove(gone)

    @rule(pick=PICK, publish=LISTS, subscribe=LISTS | st.just(("_reply.alpha.a.>",)),
          ttl=st.integers(1, 60))  # fmt: skip
    def session(self, pick: int, publish: Lists, subscribe: Lists, ttl: int) -> None:
        text = self.any_token(pick)
        who = self.owner(text)

        async def ask() -> Any:
            speaker = await self.registry.authenticate(text)
            grant = speaker.module("ask")
            return await self.registry.open_session(
                grant, publish=publish, subscribe=subscribe, ttl=ttl
            )

        code, answer = self.code_of(ask())
        if text == KITE:
            assert code == "permission_denied"
        elif who is None:
            assert code == "unauthorized"
        elif who.parent is not None:
            assert code == "session_token"
        elif who.name == "operator":
            assert code == "permission_denied"
        else:
            lists = [who.publish if publish is None else publish,
                     who.subscribe if subscribe is None else subscribe]  # fmt: skip
            assert code == ("permission_denied" if first_wider(who, *lists) else "")
            if not code:
                token, _grant = answer
                self.tokens[token] = Token(
                    token, who.name, who.life, *lists, parent=who.text, deadline=self.now + ttl
                )

    @rule(pick=PICK)
    def verify(self, pick: int) -> None:
        text = self.any_token(pick)
        who = self.owner(text)

        async def ask() -> Any:
            return self.registry.verify(text)

        code, grant = self.code_of(ask())
        assert code == ("unknown_token" if who is None else "")
        if who is not None:
            assert (grant.name, grant.life) == (who.name, who.life)
            assert (grant.publish, grant.subscribe) == (who.publish, who.subscribe)
            assert grant.parent == (None if who.parent is None else digest(who.parent))

    @rule(pick=PICK, subject=SUBJECTS, pattern=PATTERNS)
    def the_hub_decides(self, pick: int, subject: str, pattern: str) -> None:
        """From the table that it is sent, as it travels."""
        text = self.any_token(pick)
        who = self.owner(text)
        table = self.run(self.registry.digests(epoch=None, revision=-1, wait=0.0))
        self.hub.replace(decode_digests(msgspec.json.encode(table)))
        identity = self.hub.find(digest(text), self.clock.wall())
        assert (identity is None) == (who is None)
        if who is not None and identity is not None:
            assert identity.is_session == (who.parent is not None)
            assert identity.may_publish(subject) == may_publish(who, subject)
            assert identity.may_subscribe(pattern) == may_subscribe(who, pattern)

    # -- who is here

    def say(self, text: str, action: str, name: str, life: int | None, **more: Any) -> Any:
        said = {"action": action, "module_id": name, "life": life, **more}

        async def ask() -> Any:
            request = msgspec.convert(said, ModulesRequest)
            request.check()
            speaker = await self.registry.authenticate(text)
            return await self.registry.handle(request, speaker)

        who = self.owner(text)
        code, answer = self.code_of(ask())
        if text != KITE and who is None:
            expected, meant = "unauthorized", None
        else:
            expected, meant = speaks_for(who, name, life)
        if expected:
            assert code == expected
            return None
        if action == "heartbeat" and not self.meant(name, meant):
            assert code == "not_registered"
            return None
        assert code == ""
        return answer, meant

    @rule(pick=PICK, name=NAMES, life=LIVES, ttl=st.none() | st.integers(1, 60),
          unless_own=st.booleans(), is_honest=OFTEN)  # fmt: skip
    def register(
        self,
        pick: int,
        name: str,
        life: int | None,
        ttl: int | None,
        unless_own: bool,
        is_honest: bool,
    ) -> None:
        text, name, life = self.told_by(pick, name, life, is_honest)
        self.serial += 1
        more = {"ttl": ttl, "unless_own": unless_own, "metadata": {"serial": self.serial}}
        said = self.say(text, "register", name, life, **more)
        if said is None:
            return
        answer, meant = said
        is_own = text != KITE
        former = self.meant(name, meant)
        if unless_own and not is_own and any(each.is_own for each in former):
            assert answer["own"] is True
            return
        seconds = TTL if ttl is None else float(ttl)
        assert answer["ttl"] == seconds
        self.remove(former)
        is_core = name in CORE
        self.entries.append(
            Lease(
                name,
                None if is_core else meant,
                self.serial,
                seconds,
                None if is_core else self.now + seconds,
                is_own,
                ttl is not None or not is_own,
            )
        )

    @rule(pick=PICK, name=NAMES, life=LIVES, is_honest=OFTEN)
    def heartbeat(self, pick: int, name: str, life: int | None, is_honest: bool) -> None:
        text, name, life = self.told_by(pick, name, life, is_honest)
        said = self.say(text, "heartbeat", name, life)
        if said is None:
            return
        answer, meant = said
        renewed = self.meant(name, meant)
        for each in renewed:
            each.ttl = each.ttl if each.is_fixed else TTL
            each.deadline = None if each.deadline is None else self.now + each.ttl
        assert answer["ttl"] in {each.ttl for each in renewed}
        if text == KITE:
            assert answer["own"] == any(each.is_own for each in renewed)

    @rule(pick=PICK, name=NAMES, life=LIVES, is_honest=OFTEN)
    def deregister(self, pick: int, name: str, life: int | None, is_honest: bool) -> None:
        text, name, life = self.told_by(pick, name, life, is_honest)
        said = self.say(text, "deregister", name, life)
        if said is not None and name not in CORE:
            self.remove(self.meant(name, said[1]))

    # -- time, and the Registry's own lives

    @rule(seconds=st.integers(0, 40))
    def time_passes(self, seconds: int) -> None:
        """The Registry wakes up at each deadline."""
        end = self.now + seconds
        while True:
            deadlines = [e.deadline for e in self.entries if e.deadline is not None]
            deadlines += [t.deadline for t in self.tokens.values() if t.deadline is not None]
            due = min(deadlines, default=end + 1)
            if due > end:
                break
            self.clock.advance(max(due - self.now, 0.0))
            self.run(self.wake_up())
            self.expire()
        self.clock.advance(end - self.now)

    async def wake_up(self) -> None:
        self.registry._woken()

    @rule(seconds=st.integers(1, 100))
    def it_cannot_run(self, seconds: int) -> None:
        """Whoever could not be heard meanwhile is not blamed."""
        self.clock.advance(seconds)

    @rule(seconds=st.integers(0, 10))
    def it_is_killed_and_restored(self, seconds: int) -> None:
        self.run(self.close())
        self.clock.advance(seconds)
        self.open()

        async def restore() -> None:
            self.registry.restore()

        self.run(restore())
        for each in self.entries:
            each.ttl = each.ttl if each.is_fixed else MOST
            each.deadline = None if each.deadline is None else self.now + each.ttl
        for text in [*self.tokens][:2]:
            assert self.code_of(self.registry.authenticate(text))[0] == "not_ready"
        given = [t for t in self.tokens.values() if t.parent is None]
        named = {name: [t for t in given if t.name == name] for name in {t.name for t in given}}
        self.tell(named)

    # -- what holds at any time

    @invariant()
    def the_records_are_those_of_the_naive_one(self) -> None:
        if not hasattr(self, "registry"):
            return
        self.expire()
        last = {each.name: each for each in self.entries}

        async def look() -> Any:
            return self.registry.records()

        records = {record["module_id"]: record for record in self.run(look())}
        assert {name: record["metadata"]["serial"] for name, record in records.items()} == {
            name: each.serial for name, each in last.items()
        }
        for name, each in last.items():
            wall = None if each.deadline is None else self.clock.wall() + each.deadline - self.now
            assert records[name]["expires_at"] == (None if wall is None else rfc3339(wall))

    @invariant()
    def the_tokens_are_those_of_the_naive_one(self) -> None:
        if hasattr(self, "registry"):
            found = {grant.digest for grant in self.registry.tokens.grants()}
            assert found == {digest(text) for text in self.tokens}

    @invariant()
    def no_session_may_do_what_its_parent_may_not(self) -> None:
        grants = self.registry.tokens.grants() if hasattr(self, "registry") else []
        by_digest = {grant.digest: grant for grant in grants}
        for grant in grants:
            if grant.parent is not None:
                parent = by_digest[grant.parent]
                assert grant.name == parent.name
                assert not grant.scopes
                for pattern in grant.publish or ():
                    assert is_within(parent.publish, pattern)


TestRegistry = RegistryMachine.TestCase
TestRegistry.settings = settings(
    max_examples=int(os.environ.get("KITE_EXAMPLES", "100")),
    stateful_step_count=40,
    derandomize="KITE_EXAMPLES" not in os.environ,
)
