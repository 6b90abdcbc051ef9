"""Who is restarted after those it depends on, once these are there again."""

from __future__ import annotations

from kite.launcher.core.board import Board
from kite.launcher.core.lifecycle import ModuleState, Phase

REASON = "dependency_changed"
_HERE = (Phase.STARTING, Phase.RUNNING)
_SETTLED = (Phase.RUNNING, Phase.STOPPED)


def outdate_dependents(board: Board, name: str) -> None:
    """What runs and depends on a module, directly or not, is to follow its restart."""
    for state in board.roster.everyone():
        if state.phase in _HERE and any(
            needed.plan.name == name for needed in board.requirements(state.plan.name)
        ):
            state.outdated = True


def due(board: Board) -> list[str]:
    """The modules whose turn has come: what they depend on is ready again. Each is named once.

    One whose requirement fails runs on as it is until that is mended.
    """
    outdated = {state.plan.name for state in board.roster.everyone() if _follows(state)}
    if not outdated or board.ending is not None:
        return []
    found = [name for name in board.states if name in outdated and _may(board, name)]
    for name in found:
        for place in board.roster.places(name):
            place.outdated = False
    return found


def _follows(state: ModuleState) -> bool:
    """The next life, if one has come meanwhile, is no outdated one."""
    return state.outdated and state.phase in _HERE


def _may(board: Board, name: str) -> bool:
    return all(
        needed.phase in _SETTLED and not _follows(needed) for needed in board.requirements(name)
    )
