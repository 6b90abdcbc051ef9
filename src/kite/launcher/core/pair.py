"""What is known of Registry and Event Hub, the two that everything rests on."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

REGISTRY, HUB = "registry", "event_hub"
CORES = (REGISTRY, HUB)


class Stage(IntEnum):
    """How far a core module has come."""

    ABSENT = 0
    SPAWNED = 1
    SPOKEN = 2
    READY = 3


class Mode(StrEnum):
    """What kind of start is under way, or was the last."""

    INITIAL = "initial"
    ISOLATED = "isolated"
    FULL = "full"


@dataclass(slots=True)
class Core:
    """What is known of one of the two."""

    name: str
    stage: Stage = Stage.ABSENT
    life: int = 0
    is_lost: bool = False
    spawned_at: float = 0.0
    counted_from: float = 0.0  # its seconds run from here: as a rule since it was spawned
    deadline: float | None = None
    booted: bool = False
    restart_asked: bool = False
    op: int | None = None
    deaths: list[float] = field(default_factory=list)
    error: str | None = None

    @property
    def restarts(self) -> int:
        """How often it was started anew: alone, with everything, or because somebody asked."""
        return max(0, self.life - 1)

    @property
    def is_leaving(self) -> bool:
        """Whether this life is over, or soon will be: what it says means nothing any more."""
        return self.is_lost or self.restart_asked


@dataclass(slots=True, kw_only=True)
class Pair:
    """The two, and what is the case of both.

    Args:
        mode: which start is under way, or was the last.
        doors_open: the rest may start, or has.
        is_up: both are there and know each other.
        is_halted: everything is being ended: exits are no crashes.
        starts_over: everything is being ended in order to begin again.
        tokens_acked: this Registry knows everybody's token.
        full_restarts: when everything started over, monotonic seconds.
    """

    cores: dict[str, Core] = field(default_factory=lambda: {name: Core(name) for name in CORES})
    mode: Mode = Mode.INITIAL
    doors_open: bool = False
    is_up: bool = False
    is_halted: bool = True
    starts_over: bool = False
    tokens_acked: bool = False
    full_restarts: list[float] = field(default_factory=list)

    @property
    def registry(self) -> Core:
        return self.cores[REGISTRY]

    @property
    def hub(self) -> Core:
        return self.cores[HUB]
