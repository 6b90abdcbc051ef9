"""Whether a control group (cgroup v2) has been left to this process, and what it can do there.

The rules are systemd's: a group is one's own when it was delegated (`Delegate=yes` leaves the
attribute `user.delegate` or `trusted.delegate` on it); elsewhere, as in a container, when one may
write there. The root of the machine is nobody's, and the controllers of a group can be handed down
only when no process is in it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

CONTROLLERS = frozenset({"cpu", "memory", "pids"})
_SYSTEMD = (".scope", ".service", ".slice")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """What was found.

    Args:
        path: the control group that this process is in, where it is one's own.
        controllers: which of `CONTROLLERS` it has.
        refusal: why there is none of one's own: `none` (no cgroup v2 here), `root` (that of the
            machine), `foreign` (another user's), `undelegated` (systemd's); else None.
    """

    path: Path | None = None
    controllers: frozenset[str] = frozenset()
    refusal: str | None = None


def locate(membership: str, mounts: str) -> Path | None:
    """Where the control group of a process lies in the file system; None where it cannot be seen.

    Args:
        membership: the text of `/proc/<pid>/cgroup`.
        mounts: the text of `/proc/<pid>/mountinfo`.
    """
    group = next((line[3:] for line in membership.splitlines() if line.startswith("0::")), None)
    if group is None or "/.." in group:  # it lies outside of this namespace
        return None
    group = group.removesuffix(" (deleted)")
    for line in mounts.splitlines():
        front, _, back = line.partition(" - ")
        fields = front.split(" ")
        if back.split(" ")[0] != "cgroup2" or len(fields) < 5:
            continue
        root, place = _plain(fields[3]), _plain(fields[4])
        if root in {group, "/"} or group.startswith(f"{root}/"):
            below = group if root == "/" else group[len(root) :]
            return Path(place) / below.lstrip("/")
    return None


def _plain(field: str) -> str:
    """A path of mountinfo, where blanks and the like are written as octal numbers."""
    return field.encode().decode("unicode_escape").encode("latin-1").decode("utf-8", "replace")


def own_group() -> Path | None:
    """The control group of this process."""
    try:
        membership = Path("/proc/self/cgroup").read_text(encoding="utf-8")
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    except OSError:
        return None
    return locate(membership, mounts)


def examine(path: Path | None) -> Delegation:
    """Judge a control group; nothing is changed."""
    if path is None or not (path / "cgroup.controllers").exists():
        return Delegation(refusal="none")
    if not (path / "cgroup.events").exists():  # every group has one but the machine's
        return Delegation(refusal="root")
    files = (path, path / "cgroup.procs", path / "cgroup.subtree_control")
    if not all(os.access(each, os.W_OK) for each in files):
        return Delegation(refusal="foreign")
    if path.name.endswith(_SYSTEMD) and not _is_delegated(path):
        return Delegation(refusal="undelegated")
    try:
        has = (path / "cgroup.controllers").read_text(encoding="ascii").split()
    except OSError:
        has = []
    return Delegation(path=path, controllers=CONTROLLERS.intersection(has))


def _is_delegated(path: Path) -> bool:
    for name in ("user.delegate", "trusted.delegate"):
        try:
            if os.getxattr(path, name) == b"1":
                return True
        except OSError:  # not there, or not to be seen by this user
            continue
    return False
