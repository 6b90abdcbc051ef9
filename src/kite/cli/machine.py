"""What `kite doctor` looks at on the machine: interpreter, packages, kernel, limits."""

from __future__ import annotations

import ctypes
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from kite.cli.doctor import FAIL, OK, WARN, Finding, python_words
from kite.launcher import compiled as spawner
from kite.locale import _

_GET_CHILD_SUBREAPER = 37
FEW_DESCRIPTORS = 1024
FEW_WATCHES = 8192


def python() -> Finding:
    """The interpreter. Kite cannot even be installed in one that is too old."""
    return Finding("Python", OK, python_words())


def packages() -> Finding:
    """Whether everything is installed that Kite says it needs."""
    name = _("packages")
    try:
        needed = metadata.requires("kite-runtime") or []
    except metadata.PackageNotFoundError:
        advice = _("install it: pip install kite-runtime")
        return Finding(name, FAIL, _("kite-runtime is not installed in this Python"), advice)
    missing = []
    for requirement in needed:
        distribution = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
        if "extra ==" in requirement or distribution == "uvloop":
            continue
        try:
            metadata.version(distribution)
        except metadata.PackageNotFoundError:
            missing.append(distribution)
    if missing:
        detail = _("missing: {names}").format(names=", ".join(missing))
        return Finding(name, FAIL, detail, f"{sys.executable} -m pip install {' '.join(missing)}")
    return Finding(name, OK, _("{count} are installed").format(count=len(needed)))


def fast_loop() -> Finding:
    """Whether uvloop is there."""
    try:
        return Finding("uvloop", OK, metadata.version("uvloop"))
    except metadata.PackageNotFoundError:
        detail = _("not installed: events take about twice the time")
        return Finding("uvloop", WARN, detail, f"{sys.executable} -m pip install uvloop")


def hot_path() -> Finding:
    """Whether the Event Hub's hot path is compiled."""
    from kite.event_hub.compiled import choose

    name = _("hot path")
    parts, _listener, why = choose("auto")
    if parts.name == "compiled":
        return Finding(name, OK, parts.name)
    detail = _("pure Python, the Event Hub carries a quarter of what it could: {why}").format(
        why=why
    )
    return Finding(name, WARN, detail, _("install a C compiler, then install Kite anew"))


def node() -> Finding:
    """Whether modules with `runtime: node` can run."""
    found = shutil.which("node")
    if found is None:
        detail = _("not found: modules with runtime: node cannot start")
        return Finding("Node.js", WARN, detail, _("install Node.js 18 or newer if you need them"))
    try:
        said = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=5)  # noqa: PLW1510
        version = said.stdout.strip()
    except (OSError, subprocess.TimeoutExpired) as failed:
        return Finding("Node.js", WARN, f"{found}: {failed}", _("see whether it runs by itself"))
    major = re.match(r"v(\d+)", version)
    if major and int(major.group(1)) < 18:
        return Finding("Node.js", WARN, f"{version}, {found}", _("install Node.js 18 or newer"))
    return Finding("Node.js", OK, f"{version}, {found}")


def kernel() -> Finding:
    """Whether the kernel can do what supervision stands on."""
    name, release = _("kernel"), os.uname().release
    if sys.platform != "linux":
        detail = _("{system}: Kite is tried on Linux only").format(system=sys.platform)
        return Finding(name, FAIL, detail, _("run it on Linux 5.4 or newer"))
    advice = _("use Linux 5.4 or newer, without a sandbox that forbids it")
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError as refused:
        detail = f"{release}: pidfd_open: {refused.strerror}"
        return Finding(name, FAIL, detail, advice)
    answer = ctypes.c_int()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0):
        detail = f"{release}: PR_GET_CHILD_SUBREAPER: {os.strerror(ctypes.get_errno())}"
        return Finding(name, FAIL, detail, advice)
    if not Path("/proc/self/stat").exists():
        return Finding(name, FAIL, _("/proc is not mounted"), _("mount it: Kite reads it"))
    return Finding(name, OK, _("{release}, with pidfd and subreaper").format(release=release))


def setpriv() -> Finding:
    """Whether children can be told to die with the Launcher."""
    if spawner.load() is not None:
        return Finding("setpriv", OK, _("not needed: Kite was built with a compiler"))
    found = shutil.which("setpriv")
    if found:
        return Finding("setpriv", OK, found)
    detail = _("not found: a killed Kite ends its modules a little later")
    return Finding("setpriv", WARN, detail, _("install util-linux"))


def descriptors() -> Finding:
    """How many files a process may have open."""
    name = _("open files")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _("unlimited") if hard == resource.RLIM_INFINITY else str(hard)
    detail = most
    if soft != hard:
        detail = _("{soft}, can be raised to {hard}").format(soft=soft, hard=most)
    if hard != resource.RLIM_INFINITY and hard <= FEW_DESCRIPTORS:
        return Finding(name, WARN, detail, _("raise it for many modules: ulimit -Hn 65536"))
    return Finding(name, OK, detail)


def watches() -> Finding:
    """How many files can be watched (`watch:` in manifests, `kite logs -f`)."""
    name = _("file watches")
    try:
        text = Path("/proc/sys/fs/inotify/max_user_watches").read_text(encoding="ascii")
    except OSError:
        return Finding(name, WARN, _("inotify is not there"), _("watch: in manifests needs it"))
    if int(text) < FEW_WATCHES:
        advice = _("raise it: sysctl fs.inotify.max_user_watches=65536")
        return Finding(name, WARN, text.strip(), advice)
    return Finding(name, OK, text.strip())


def loopback() -> Finding:
    """Whether ports on 127.0.0.1 can be opened and reached."""
    name = "127.0.0.1"
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError as refused:
        detail = f"{refused.strerror or refused}"
        return Finding(name, FAIL, detail, _("let programs listen on the loopback interface"))
    return Finding(name, OK, _("ports can be opened and reached"))
