"""Where a project is, and where its instance keeps its things.

The project directory is what `-C` names, else `KITE_CWD`, else the nearest ancestor with a
`kite.yaml`, else the working directory. Its instance directory lies in the workspace and is called
like it; `.cwd` inside names the project, so that two projects of one name never share.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from kite import atomic_file
from kite.errors import ConfigError

PROJECT_FILE = "kite.yaml"
OWNER_FILE = ".cwd"
LOCK_FILE = ".claims.lock"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def project_dir(
    explicit: str | Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Path:
    """The project directory, resolved.

    Args:
        explicit: what `-C` says.
        environ: default: the process's environment.
        cwd: default: the working directory.

    Raises:
        ConfigError: `project_dir_missing` when what was named is no directory, `cwd_gone`,
            `path_not_utf8`.
    """
    env = os.environ if environ is None else environ
    named = explicit or env.get("KITE_CWD")
    try:
        start = cwd or Path.cwd()
        if named:
            return _tellable(_directory(start / Path(named).expanduser()))
        start = start.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        detail = getattr(error, "strerror", None) or str(error)
        if not named:
            raise ConfigError("cwd_gone", detail=detail) from None
        raise ConfigError("project_dir_missing", path=str(named), detail=detail) from None
    return _tellable(next((up for up in (start, *start.parents) if _has_project_file(up)), start))


def _directory(path: Path) -> Path:
    found = path.resolve(strict=True)
    if not found.is_dir():
        raise NotADirectoryError(None, os.strerror(20), str(path))
    return found


def _tellable(path: Path) -> Path:
    """The path, which stands in JSON wherever Kite speaks of it, and JSON is UTF-8.

    Raises:
        ConfigError: `path_not_utf8`.
    """
    if not is_tellable(path):
        shown = os.fsencode(path).decode(errors="backslashreplace")
        raise ConfigError("path_not_utf8", path=shown)
    return path


def is_tellable(path: str | Path) -> bool:
    """Whether a path is text, and not only bytes."""
    return str(path).isascii() or not any("\ud800" <= each <= "\udfff" for each in str(path))


def _has_project_file(folder: Path) -> bool:
    try:
        return (folder / PROJECT_FILE).is_file()
    except OSError:
        return False


def workspace_dir(environ: Mapping[str, str] | None = None) -> Path:
    """`KITE_WORKSPACE`, else `~/.kite/workspace`; absolute, not necessarily there.

    Raises:
        ConfigError: `home_unknown`, `path_not_utf8`.
    """
    env = os.environ if environ is None else environ
    named = env.get("KITE_WORKSPACE")
    if named:
        path = Path(os.path.abspath(Path(named).expanduser()))  # noqa: PTH100  (no links followed)
        return _tellable(path)
    return _tellable(home_dir(env) / ".kite" / "workspace")


def home_dir(environ: Mapping[str, str]) -> Path:
    """The user's home directory: `HOME`, else what the system says.

    Raises:
        ConfigError: `home_unknown`.
    """
    home = environ.get("HOME")
    if home and Path(home).is_absolute():
        return Path(home)
    import pwd  # noqa: PLC0415  (seldom needed)

    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        raise ConfigError("home_unknown", uid=os.getuid()) from None


def named_instance_dir(project: Path, environ: Mapping[str, str] | None = None) -> Path | None:
    """`KITE_INSTANCE_DIR`, unless it comes from the Kite of another project; absolute."""
    env = os.environ if environ is None else environ
    named = env.get("KITE_INSTANCE_DIR")
    if not named:
        return None
    inherited_from = env.get("KITE_CWD")
    if inherited_from and Path(inherited_from).expanduser().resolve() != project:
        return None
    return Path(os.path.abspath(Path(named).expanduser()))  # noqa: PTH100  (no links followed)


def find_instance_dir(project: Path, environ: Mapping[str, str] | None = None) -> Path | None:
    """The instance directory of a project, or None when it has none yet. Nothing is written.

    Args:
        project: resolved, as `project_dir` gives it.
    """
    named = named_instance_dir(project, environ)
    if named is not None:
        return named if named.is_dir() else None
    return _owned(workspace_dir(environ), project)


def claim_instance_dir(project: Path, environ: Mapping[str, str] | None = None) -> Path:
    """The instance directory of a project, made (mode 0700) if it is not there.

    Any number of processes may claim at the same time; all get the same answer.

    Args:
        project: resolved, as `project_dir` gives it.

    Raises:
        ConfigError: `instance_dir_unusable`, `disk_full`.
    """
    named = named_instance_dir(project, environ)
    workspace = workspace_dir(environ)
    try:
        if named is not None:
            return _take(_tellable(named), project)
        workspace.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _claims(workspace):
            return _owned(workspace, project) or _take(_free(workspace, project), project)
    except OSError as error:
        raise unusable(Path(error.filename or named or workspace), error) from None


def unusable(path: Path, error: OSError, *, code: str = "instance_dir_unusable") -> ConfigError:
    """What to raise where an instance directory, or what lies in it, cannot be used."""
    code = "disk_full" if error.errno in _FULL else code
    return ConfigError(code, path=str(path), detail=error.strerror or str(error))


@contextmanager
def _claims(workspace: Path) -> Iterator[None]:
    with (workspace / LOCK_FILE).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _owned(workspace: Path, project: Path) -> Path | None:
    """The directory in the workspace that says it is the project's."""
    base = _base_name(project)
    numbered = re.compile(re.escape(base) + r"(?:~([0-9]+))?")
    try:
        names = [entry.name for entry in os.scandir(workspace)]
    except OSError:
        return None
    found = [
        (int(match[1] or 0), workspace / name)
        for name in names
        if (match := numbered.fullmatch(name)) and owner(workspace / name) == project
    ]
    return min(found)[1] if found else None


def _free(workspace: Path, project: Path) -> Path:
    """The first name that nobody has claimed; a directory without an owner is free."""
    base = _base_name(project)
    number = 0
    while True:
        path = workspace / (f"{base}~{number}" if number else base)
        if not os.path.lexists(path) or (path.is_dir() and not os.path.lexists(path / OWNER_FILE)):
            return path
        number += 1


def _base_name(project: Path) -> str:
    return project.name or "default"


def _take(path: Path, project: Path) -> Path:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if owner(path) != project:
        mark = os.fsencode(project)
        atomic_file.replace(path / OWNER_FILE, mark, mode=0o600, is_durable=True)
    return path


def owner(instance_dir: Path) -> Path | None:
    """The project that an instance directory belongs to, or None when it does not say."""
    with suppress(OSError):
        content = (instance_dir / OWNER_FILE).read_bytes()
        if content:
            return Path(os.fsdecode(content.removesuffix(b"\n")))
    return None
