def spawn(
    path: bytes,
    argv: list[bytes],
    env: list[bytes],
    cwd: bytes,
    streams: tuple[int, int, int],
    listener: int,
    door: bytes | None,
    limits: list[tuple[int, int, int]],
) -> int: ...
