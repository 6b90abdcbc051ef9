"""A process with a program of its own: one fork and one exec.

Compiled (`compiled/spawner.pyx`), the child does in C what has to be done between the two. Without
a compiler `subprocess` makes it, by vfork as well, since no Python runs in the child; what that
cannot do small programs do on the way to the module's own: `setpriv` the signal at the parent's
death, `prlimit` the limits, `sh` the handing over of a listening socket.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from kite.launcher import compiled, platform_linux
from kite.launcher.file_limit import at_most, usual, usual_file_limit

if TYPE_CHECKING:
    from kite.launcher.forking import Limits, Spawn

_spawn = compiled.load()

# The shell knows its pid, which stays the program's through exec. The socket comes as its standard
# input, as no shell can name every descriptor; the real one is opened by its path in /dev/fd.
_HAND_OVER = 'LISTEN_PID=$$ LISTEN_FDS=1; export LISTEN_PID LISTEN_FDS; exec 3<&0 <"$0"; exec "$@"'
_ENCODING, _ERRORS = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()

Streams = tuple[int, int, int]


def start(spec: Spawn, path: str, mark: int, streams: Streams, highest: int) -> int:
    """Start the program at `path`; the pid.

    Args:
        streams: standard input, output and error.
        highest: a descriptor that was just opened.

    Raises:
        OSError, ValueError: only the kernel could know what is wrong.
    """
    if _spawn is None:
        return _by_programs(spec, path, mark, streams, highest)
    return _spawn(
        encoded(path),
        [encoded(word) for word in (path, *spec.argv[1:])],
        [_variable(name, value) for name, value in spec.env.items()],
        encoded(str(spec.cwd)),
        streams,
        -1 if spec.listener is None else spec.listener.fileno(),
        None if spec.group is None else encoded(str(spec.group.door)),
        _limits(spec.limits, mark),
    )


def encoded(text: str) -> bytes:
    """A word as the operating system has it."""
    return text.encode(_ENCODING, _ERRORS)  # os.fsencode, three times as fast


def _variable(name: str, value: str) -> bytes:
    if not name or "=" in name:
        raise ValueError(f"illegal name of a variable: {name!r}")
    return f"{name}={value}".encode(_ENCODING, _ERRORS)


def _limits(limits: Limits, mark: int) -> list[tuple[int, int, int]]:
    """Kind, soft and hard limit; -1 for a hard one that stays what it is."""
    wanted = [(resource.RLIMIT_RTTIME, mark, -1)]
    if (soft := usual()) is not None:
        wanted.append((resource.RLIMIT_NOFILE, soft, -1))
    for kind, value in _asked(limits):
        wanted.append((kind, value, value))
    return wanted


def _asked(limits: Limits) -> list[tuple[int, int]]:
    """What a module is limited to. A limit above the Launcher's own means that one."""
    # Writable memory, not address space, which V8 and Go reserve by the gigabyte.
    kinds = (resource.RLIMIT_NOFILE, limits.files), (resource.RLIMIT_DATA, limits.memory)
    return [(kind, at_most(kind, value)) for kind, value in kinds if value is not None]


# -- without a compiler ---------------------------------------------------------------------------

_WORDS = {resource.RLIMIT_NOFILE: "nofile", resource.RLIMIT_DATA: "data"}


def _by_programs(spec: Spawn, path: str, mark: int, streams: Streams, highest: int) -> int:
    stdin, stdout, stderr = streams
    words: tuple[str, ...] = (path, *spec.argv[1:])
    if spec.listener is not None:
        words = ("/bin/sh", "-c", _HAND_OVER, f"/dev/fd/{stdin}", *words)
    limits = [f"--{_WORDS[kind]}={value}:{value}" for kind, value in _asked(spec.limits)]
    command = (
        *platform_linux.parent_death_prefix(),
        *(spec.group.entering() if spec.group is not None else ()),
        *(platform_linux.limit_prefix(limits) if limits else ()),
        *words,
    )
    with platform_linux.marking(mark), usual_file_limit(highest):
        child: subprocess.Popen[Any] = subprocess.Popen(  # no pipes, and no reaping either
            command,
            stdin=stdin if spec.listener is None else spec.listener.fileno(),
            stdout=stdout,
            stderr=stderr,
            cwd=spec.cwd,
            env=spec.env,
            start_new_session=True,
            pass_fds=() if spec.listener is None else (stdin,),
        )
    child.returncode = 0  # its status is read by pidfd
    return child.pid
