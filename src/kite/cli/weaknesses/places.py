"""Who else may read or write the workspace, the instance directory, the project."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from kite.cli import premises
from kite.cli.doctor import FAIL, OK, WARN, Finding, owner_words
from kite.cli.session import Session
from kite.locale import _
from kite.model.exposure import GROUP_OR_WORLD, WORLD, exposed


def workspace(environ: Mapping[str, str]) -> Iterator[Finding]:
    """As `kite doctor` looks at it."""
    yield premises.workspace(environ)


def instance(session: Session) -> Iterator[Finding]:
    """What Kite keeps is its owner's alone."""
    name, folder = _("instance"), session.instance_dir()
    if folder is None:
        yield Finding(name, OK, _("Kite has not run in this project yet"))
        return
    found = list(_open_ones(folder))
    for path, seen in found:
        detail = _("{path} is open to others (mode {mode}, user {owner})").format(
            path=path, mode=f"{stat.S_IMODE(seen.st_mode):04o}", owner=owner_words(seen.st_uid)
        )
        yield Finding(name, FAIL, detail, _("Kite closes it at its next start: kite up"))
    above = _replaceable(folder)
    if above is not None:
        detail = _("others may rename what lies in {path}, and put theirs in its place")
        yield Finding(name, FAIL, detail.format(path=above), f"chmod go-w {above}")
    if not found and above is None:
        yield Finding(name, OK, _("{path} is yours alone").format(path=folder))


def project(session: Session) -> Iterator[Finding]:
    """Nobody else decides what Kite runs."""
    from kite.launcher.discovery import scan
    from kite.model.project import read_project

    name, folder = _("project"), session.project_dir()
    found = scan(folder, read_project(folder))
    errors = exposed(folder, found, bits=WORLD)
    for error in errors:
        yield Finding(name, FAIL, error.message, error.hint)
    by_group = [
        error
        for error in exposed(folder, found, bits=GROUP_OR_WORLD)
        if error.params["path"] not in {each.params["path"] for each in errors}
        and not _is_private(Path(error.params["path"]).stat().st_gid)
    ]
    for error in by_group:
        path = Path(error.params["path"])
        detail = _("the group {group} may write {path}, which Kite runs")
        detail = detail.format(group=_group_words(path.stat().st_gid), path=path)
        yield Finding(name, WARN, detail, f"chmod g-w {path}")
    above = _replaceable(folder)
    if above is not None:
        detail = _("others may rename what lies in {path}, and put theirs in its place")
        yield Finding(name, FAIL, detail.format(path=above), f"chmod go-w {above}")
    if not errors and not by_group and above is None:
        yield Finding(name, OK, _("nobody else may write what Kite runs"))


def _open_ones(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """The directory, what lies in it and in the folders that are Kite's, where others may use it."""
    own = [folder / each for each in ("launcher", "logs", "registry", "event_hub")]
    paths = [
        folder,
        *folder.iterdir(),
        *(p for each in own if each.is_dir() for p in each.iterdir()),
    ]
    for path in paths:
        try:
            seen = path.lstat()
        except FileNotFoundError:
            continue
        if stat.S_ISLNK(seen.st_mode) or (stat.S_ISREG(seen.st_mode) and path.parent not in own):
            continue
        if stat.S_IMODE(seen.st_mode) & 0o077 or seen.st_uid != os.geteuid():
            yield path, seen


def _replaceable(folder: Path) -> Path | None:
    """The nearest folder above in which others may rename things."""
    for above in folder.parents:
        seen = above.stat()
        is_sticky = seen.st_mode & stat.S_ISVTX
        if (seen.st_mode & WORLD and not is_sticky) or seen.st_uid not in (os.geteuid(), 0):
            return above
    return None


def _is_private(group: int) -> bool:
    """Whether nobody but this user is in a group."""
    me = pwd.getpwuid(os.geteuid())
    if group != me.pw_gid:
        return False
    try:
        members = set(grp.getgrgid(group).gr_mem) - {me.pw_name}
    except KeyError:
        members = set()
    return not members and all(
        user.pw_gid != group or user.pw_uid == me.pw_uid for user in pwd.getpwall()
    )


def _group_words(group: int) -> str:
    try:
        return grp.getgrgid(group).gr_name
    except KeyError:
        return str(group)
