"""A module as the supervisor needs to know it: what was written down, before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from kite.errors import ModuleError
from kite.model.manifest import Condition, ConfigState
from kite.model.restart_policy import RestartPolicy as Policy

__all__ = [
    "Condition",
    "ConfigState",
    "Desired",
    "Plan",
    "Policy",
    "Problem",
    "ReadyBy",
    "RestartRule",
    "settle_desired",
]


class ReadyBy(StrEnum):
    """Who says that a life is ready."""

    MODULE = "module"
    PROBE = "probe"
    PROCESS = "process"


class RestartRule(msgspec.Struct, frozen=True, kw_only=True):
    """How failures of a module are answered.

    Args:
        policy: which exits are failures.
        max: the failure within one window that gives up.
        window: seconds in which failures are counted together.
        initial, factor, cap: seconds of the first delay, its growth, its limit.
        retry: whether a module that was given up is tried again at growing intervals.
        good_statuses, good_signals: the ends that count as exit 0 does.
    """

    policy: Policy = Policy.ALWAYS
    max: int = 3
    window: float = 75.0
    initial: float = 1.0
    factor: float = 2.0
    cap: float = 30.0
    retry: bool = True
    good_statuses: frozenset[int] = frozenset({0})
    good_signals: frozenset[int] = frozenset()

    def is_success(self, exit_code: int | None, signal: int | None) -> bool:
        """Whether a process that ended so has done its work. Under `always` none ever has."""
        if self.policy is Policy.ALWAYS:
            return False
        return exit_code in self.good_statuses if signal is None else signal in self.good_signals


class Desired(msgspec.Struct, frozen=True, kw_only=True):
    """What shall be, as it is kept in the instance directory.

    Args:
        running: whether the module shall run.
        by_request: whether a stop request said no; only a start by name lifts that.
        config_state: the config state this was decided under.
    """

    running: bool
    by_request: bool = False
    config_state: ConfigState = ConfigState.ENABLED


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a module cannot run: a code of errors.json with its parameters.

    Args:
        text: the English sentence where it says more than the code's own (several mistakes).
    """

    code: str
    params: Mapping[str, Any] = {}
    text: str = ""

    @property
    def message(self) -> str:
        """The English sentence."""
        return self.text or ModuleError(self.code, **self.params).english


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One module.

    Args:
        launch_timeout: seconds from the process's start to ready; None for a job.
        stop_timeout: seconds of grace.
        dependencies: name and condition, in the manifest's order.
        problem: set when the module is `failed` before it ever starts.
        desired: what was kept from earlier, None for a module never seen.
        is_job, is_scheduled: see CONTRACT, section 7.
        makes_up: whether a run that comes due while the last one still runs follows it.
        is_essential: whether everything ends when it has failed.
        is_readable: whether the manifest could be read; else `config_state` is only the last known.
        replicas: how many processes of it run side by side.
    """

    name: str
    config_state: ConfigState = ConfigState.ENABLED
    dependencies: tuple[tuple[str, Condition], ...] = ()
    ready_by: ReadyBy = ReadyBy.MODULE
    launch_timeout: float | None = 15.0
    stop_timeout: float = 10.0
    restart: RestartRule = RestartRule()
    problem: Problem | None = None
    desired: Desired | None = None
    is_job: bool = False
    is_scheduled: bool = False
    makes_up: bool = False
    is_essential: bool = False
    is_readable: bool = True
    replicas: int = 1


def settle_desired(kept: Desired | None, config: ConfigState) -> Desired:
    """The desired state a module begins with, given what was kept and what the manifest says now.

    A config state that changed while Kite was away acts as if it changed now: enabling starts,
    disabling stops, manual leaves as is.
    """
    if kept is None:
        return Desired(running=config is ConfigState.ENABLED, config_state=config)
    if kept.config_state is config:
        return kept
    if config is ConfigState.MANUAL:
        return Desired(running=kept.running, by_request=kept.by_request, config_state=config)
    return Desired(running=config is ConfigState.ENABLED, config_state=config)
