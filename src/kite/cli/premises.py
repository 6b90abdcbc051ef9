"""What `kite doctor` looks at in the project and its workspace."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from kite.cli.control import ApiFile, is_alive
from kite.cli.doctor import FAIL, OK, WARN, Finding, is_mine, owner_words
from kite.cli.session import Session
from kite.locale import _

GIGABYTE = 1024**3
FULL_BYTES = 50 * 1024**2
TIGHT_BYTES = 500 * 1024**2


def workspace(environ: Mapping[str, str]) -> Finding:
    """Whether the workspace is this user's alone and can be written."""
    from kite.model.workspace import workspace_dir

    name, folder = _("workspace"), workspace_dir(environ)
    there = _nearest(folder)
    if not os.access(there, os.W_OK | os.X_OK):
        advice = _("make it yours, or set KITE_WORKSPACE to a directory of your own")
        detail = _("{path} cannot be written by you").format(path=there)
        return Finding(name, FAIL, detail, advice)
    if there != folder:
        return Finding(name, OK, _("{path} will be made").format(path=folder))
    if not is_mine(folder):
        whose = owner_words(folder.stat().st_uid)
        detail = _("{path} belongs to {owner}").format(path=folder, owner=whose)
        return Finding(name, FAIL, detail, _("set KITE_WORKSPACE to a directory of your own"))
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o022:
        detail = _("{path} can be written by others (mode {mode})")
        detail = detail.format(path=folder, mode=f"{mode:04o}")
        return Finding(name, WARN, detail, f"chmod go-w {folder}")
    return Finding(name, OK, str(folder))


def disk(environ: Mapping[str, str]) -> Finding:
    """Whether there is room for logs and data."""
    from kite.model.workspace import workspace_dir

    free = shutil.disk_usage(_nearest(workspace_dir(environ))).free
    if free < 10 * GIGABYTE:
        detail = _("{size} MB free").format(size=free // 1024**2)
    else:
        detail = _("{size} GB free").format(size=free // GIGABYTE)
    advice = _("make room: logs and the modules' data lie in the workspace")
    if free < FULL_BYTES:
        return Finding(_("disk"), FAIL, detail, advice)
    if free < TIGHT_BYTES:
        return Finding(_("disk"), WARN, detail, advice)
    return Finding(_("disk"), OK, detail)


def project(session: Session) -> Finding:
    """Which project this is."""
    name, folder = _("project"), session.project_dir()
    if not os.access(folder, os.R_OK | os.X_OK):
        detail = _("{path} cannot be read by you").format(path=folder)
        return Finding(name, FAIL, detail, _("make it readable, or name another with -C"))
    if not (folder / "modules").is_dir() and not (folder / "kite.yaml").is_file():
        detail = _("{path} has no modules yet").format(path=folder)
        return Finding(name, WARN, detail, _("write one: kite new NAME"))
    return Finding(name, OK, str(folder))


def instance(session: Session) -> Finding:
    """Whether Kite runs here, or has left something behind."""
    from kite.model.instance_lock import holder

    name, folder = _("instance"), session.instance_dir()
    if folder is None:
        return Finding(name, OK, _("Kite has not run in this project yet"))
    api = ApiFile.read(folder / "launcher" / "api.json")
    pid = holder(folder)
    if api is None:
        if pid is not None:
            return Finding(name, OK, _("Kite is starting, pid {pid}").format(pid=pid))
        return Finding(name, OK, _("Kite is not running"))
    if not is_alive(api.pid):
        detail = _("Kite ended without clearing up: pid {pid} is gone").format(pid=api.pid)
        return Finding(name, WARN, detail, _("type kite up: it clears up first"))
    about = session.control().get("/launcher", timeout=5.0).json()
    detail = _("Kite runs, pid {pid}").format(pid=api.pid)
    if problems := about.get("problems"):
        detail += "; " + _("found and left out: {count}").format(count=len(problems))
        return Finding(name, WARN, detail, _("see them: kite ps"))
    return Finding(name, OK, detail)


def limits(session: Session) -> Finding:
    """By what `limits:` of manifests are enforced, in the Kite that runs or by one begun here."""
    from kite.launcher.delegation import CONTROLLERS, examine, own_group

    name, folder = _("limits"), session.instance_dir()
    api = ApiFile.read(folder / "launcher" / "api.json") if folder is not None else None
    if api is not None and is_alive(api.pid):
        ways = session.control().get("/launcher", timeout=5.0).json().get("limits") or {}
        by_group = [each for each in ("memory", "cpu", "processes") if ways.get(each) == "cgroup"]
    else:
        found = examine(own_group())
        by_group = sorted(found.controllers)
        if found.path is not None and found.controllers == CONTROLLERS:
            detail = _("by control groups, where Kite is alone in the one delegated to it")
            return Finding(name, OK, detail)
    if len(by_group) == len(CONTROLLERS):
        return Finding(name, OK, _("by control groups"))
    detail = _("memory is measured every 5 s; cpu and processes are not enforced")
    if by_group:
        detail = _("by control groups: {names}").format(names=", ".join(by_group))
    command = "systemd-run --user --scope -p Delegate=yes kite up"
    advice = _("for all of them start Kite in a control group of its own: {command}")
    return Finding(name, WARN, detail, advice.format(command=command))


def manifests(session: Session) -> Finding:
    """Whether `kite check` is content."""
    from kite.launcher.discovery import check_project

    mistakes = check_project(session.project_dir())
    if mistakes:
        detail = _("mistakes found: {count}").format(count=len(mistakes))
        return Finding(_("manifests"), FAIL, detail, _("see them: kite check"))
    return Finding(_("manifests"), OK, _("no mistakes"))


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(each for each in (folder, *folder.parents) if each.exists())
