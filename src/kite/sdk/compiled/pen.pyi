from collections.abc import Callable, Mapping
from typing import Any

class Pen:
    def __init__(
        self, prefix: str, head: Callable[[str], bytes], middle: Callable[[float], bytes]
    ) -> None: ...
    def next_id(self) -> str: ...
    def write(
        self, subject: str, data: Any, now: float, headers: Mapping[str, str] | None
    ) -> tuple[str, bytes]: ...
