"""Whether a process may be forked from the template: only where nobody could tell the difference."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

_READ_AT_THE_START = (
    *("PYTHON", "LD_", "MALLOC_", "GLIBC_TUNABLES", "LC_", "LANG", "LOCPATH", "GCONV_PATH"),
    *("OPENSSL_", "HOME", "COVERAGE_"),
)
"""How variables begin that interpreter, C library and site read once, before any program runs."""

_SUFFIXES = (".py", ".so", ".pyc", "/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a template stands on.

    Args:
        interpreter: the path by which it was started.
        environ: the environment it was started with.
        modules: the top-level names of what it has imported.
    """

    interpreter: str
    environ: Mapping[str, str]
    modules: Collection[str]


def why_cold(
    argv: Sequence[str], env: Mapping[str, str], beside: Collection[str], ground: Ground
) -> str | None:
    """Why a process must be started with an interpreter of its own; None where it need not.

    Args:
        argv: its command.
        env: its environment.
        beside: the names of what lies where it imports from first; folders end in a slash.
        ground: of the template.
    """
    if len(argv) != 3 or argv[0] != ground.interpreter or argv[1] not in ("-u", "-m"):
        return "it is not run by Kite's interpreter alone"
    if argv[1] == "-u" and not argv[2].endswith(".py"):
        return "its entry is not a .py file"
    if env.get("PYTHONSAFEPATH"):
        return "PYTHONSAFEPATH is set"
    if different := _different(env, ground.environ):
        return f"{different} differs from the Launcher's"
    for name in beside:
        stem, is_module = _module(name)
        if is_module and stem in ground.modules:
            return f"{name} in its folder stands for another module"
    return None


def _different(env: Mapping[str, str], environ: Mapping[str, str]) -> str | None:
    """The first variable that the start of an interpreter reads, and finds otherwise."""
    for name in sorted({*env, *environ}):
        if name.startswith(_READ_AT_THE_START) and env.get(name) != environ.get(name):
            return name
    return None


def _module(name: str) -> tuple[str, bool]:
    return name.rstrip("/").partition(".")[0], name.endswith(_SUFFIXES)
