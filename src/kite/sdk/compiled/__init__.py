"""What of the SDK is compiled, where the package was built with a compiler (see ADR 0011).

No function here is called like a module: importing that would take its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import picows

from kite.sdk.core.pen import MakePen
from kite.sdk.core.pen import Pen as PurePen

if TYPE_CHECKING:
    from kite.sdk.compiled.frames import Frames
    from kite.sdk.connection import HubConnection


def make_frames() -> Frames | None:
    """Where frames are gathered; None in pure Python, where picows writes each by itself."""
    try:
        from kite.sdk.compiled.frames import Frames  # noqa: PLC0415  (it may not have been built)
    except ImportError:
        return None
    return Frames()


def listener(pure: picows.WSListener, connection: HubConnection) -> picows.WSListener:
    """What picows is to call for a connection: the compiled listener in front of the pure one."""
    try:
        from kite.sdk.compiled import arrivals  # noqa: PLC0415  (it may not have been built)
    except ImportError:
        return pure
    here = picows.__version__  # type: ignore[attr-defined]  # no stub has it
    return arrivals.Listener(pure, connection) if here == arrivals.PICOWS else pure


def pen_maker() -> MakePen:
    """What makes the pen that writes events."""
    try:
        from kite.sdk.compiled.pen import Pen  # noqa: PLC0415  (it may not have been built)
    except ImportError:
        return PurePen
    return Pen
