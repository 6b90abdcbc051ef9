"""Who speaks to the Registry, and what they may say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from kite.errors import RequestError
from kite.registry.core.posted import Grant


class Kind(Enum):
    """Whose token it is."""

    KITE = "kite"  # the Launcher
    OPERATOR = "operator"
    MODULE = "module"


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """Who speaks. `grant` is None for the Launcher, whose token is in no table."""

    kind: Kind
    grant: Grant | None = None

    @property
    def name(self) -> str:
        return "launcher" if self.grant is None else self.grant.name

    @property
    def life(self) -> int | None:
        """Which process of the module it is, where its token says so."""
        return None if self.grant is None else self.grant.life

    def must_be_launcher(self, what: str) -> None:
        """Raise `permission_denied` unless it is the Launcher."""
        if self.kind is not Kind.KITE:
            raise self.denied(what)

    def must_be_launcher_or_hub(self, what: str) -> None:
        """Raise `permission_denied` unless it is the Launcher (with the kite token, or with one that
        `POST /tokens` names `launcher`) or the Event Hub."""
        if self.name not in ("launcher", "event_hub"):
            raise self.denied(what)

    def may_see_digests(self) -> None:
        """Raise `permission_denied` unless it may know which tokens there are (not the tokens): also
        the operator, who looks for places where one lies open."""
        if self.kind is not Kind.OPERATOR:
            self.must_be_launcher_or_hub("read the table of tokens")

    def module(self, what: str) -> Grant:
        """The grant of the module that speaks. Raises `permission_denied` for anybody else."""
        if self.kind is not Kind.MODULE or self.grant is None:
            raise self.denied(what)
        return self.grant

    def life_for(self, module_id: str, life: int | None) -> int | None:
        """Which life is meant when something is said about a module.

        Args:
            module_id: of whom it is said.
            life: the one that was named.

        Raises:
            RequestError: `permission_denied` for another module, or another life of one's own.
        """
        if self.kind is Kind.KITE:
            return life
        if self.kind is Kind.OPERATOR or self.grant is None:
            raise self.denied("change what modules have registered")
        if self.name != module_id:
            raise self.denied(f"speak for '{module_id}'")
        own = self.grant.life
        if own is not None and life is not None and life != own:
            raise self.denied(f"speak for life {life}, being life {own}")
        return life if own is None else own

    def denied(self, what: str) -> RequestError:
        """The refusal."""
        return RequestError("permission_denied", who=self.name, what=what)
