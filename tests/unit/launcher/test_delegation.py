"""Whether a control group is one's own, by the texts and files that say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from kite.launcher.delegation import CONTROLLERS, Delegation, examine, locate

HYBRID = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw
"""
UNIFIED = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
SERVICE = "/user.slice/user-1000.slice/user@1000.service/app.slice/kite.service"
BOUND = f"30 23 0:26 {SERVICE} /run/my\\040groups rw - cgroup2 cgroup2 rw\n"


@pytest.mark.parametrize(
    ("membership", "mounts", "found"),
    [
        (f"0::{SERVICE}\n", UNIFIED, f"/sys/fs/cgroup{SERVICE}"),
        ("4:memory:/x\n0::/\n", HYBRID, "/sys/fs/cgroup/unified"),
        ("0::/a\n", HYBRID, "/sys/fs/cgroup/unified/a"),
        (f"0::{SERVICE}/below\n", BOUND, "/run/my groups/below"),
        (f"0::{SERVICE}\n", BOUND, "/run/my groups"),
        ("0::/elsewhere\n", BOUND, None),
        ("0::/../outside\n", UNIFIED, None),
        ("4:memory:/x\n", HYBRID, None),
        ("0::/\n", "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\nbroken\n", None),
    ],
)
def test_where_a_group_lies(membership: str, mounts: str, found: str | None) -> None:
    assert locate(membership, mounts) == (None if found is None else Path(found))


def group(path: Path, *, controllers: str = "cpuset cpu io memory pids\n") -> Path:
    path.mkdir()
    (path / "cgroup.controllers").write_text(controllers)
    for name in ("cgroup.events", "cgroup.procs", "cgroup.subtree_control"):
        (path / name).touch()
    return path


def test_one_that_may_be_written_is_ones_own(tmp_path: Path) -> None:
    path = group(tmp_path / "box")
    assert examine(path) == Delegation(path=path, controllers=CONTROLLERS)
    few = group(tmp_path / "few", controllers="memory hugetlb\n")
    assert examine(few).controllers == {"memory"}


def test_what_is_refused(tmp_path: Path) -> None:
    assert examine(None).refusal == "none"
    assert examine(tmp_path).refusal == "none"
    machine = group(tmp_path / "machine")
    (machine / "cgroup.events").unlink()
    assert examine(machine).refusal == "root"
    scope = group(tmp_path / "session-3.scope")
    assert examine(scope).refusal == "undelegated", "systemd would take it as its own"


def test_anothers_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = group(tmp_path / "box")
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write everywhere
    assert examine(path).refusal == "foreign"
