"""What manifests and `kite.yaml` allow that they need not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from kite.cli.doctor import FAIL, OK, WARN, Finding
from kite.cli.session import Session
from kite.errors import KiteError
from kite.locale import _
from kite.model.manifest import CORE_NAMES
from kite.model.plain_file import whole_path
from kite.model.scan import Found

CONTROL = "launcher.control"
WATCHDOG = "watchdog"
_SECRET = re.compile(
    r"(^|_)(TOKEN|PASSWORD|PASSWD|PASSPHRASE|SECRET|CREDENTIALS?|KEY)$", re.IGNORECASE
)
_LOOPBACK = re.compile(r"https?://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?/?", re.IGNORECASE)


def controllers(session: Session) -> Iterator[Finding]:
    """Who may start, stop and restart others."""
    name, found = _("control"), []
    for module, each in _modules(session).items():
        if CONTROL in each.manifest.scopes and module != WATCHDOG:
            found.append(module)
    if not found:
        yield Finding(name, OK, _("no module but the watchdog may stop others"))
    for module in found:
        detail = _("{module} may start, stop and restart every module (scope {scope})")
        advice = _("take the scope out of its manifest where it is not needed")
        yield Finding(name, WARN, detail.format(module=module, scope=CONTROL), advice)


def unbounded(session: Session) -> Iterator[Finding]:
    """Who may publish or hear anything."""
    name, found = _("events"), False
    for key, words in (
        ("publish", _("may publish anything: {names}")),
        ("subscribe", _("may hear anything: {names}")),
    ):
        names = [
            module
            for module, each in _modules(session).items()
            if getattr(each.manifest, key) is None and not _is_bundled(each)
        ]
        if names:
            found = True
            advice = _("list under events: in the manifest what it needs, or [] for nothing")
            yield Finding(name, WARN, words.format(names=", ".join(sorted(names))), advice)
    if not found:
        yield Finding(name, OK, _("every module is bound to its lists"))


def values(session: Session) -> Iterator[Finding]:
    """Secrets that stand in manifests, which everybody reads who reads the project."""
    name, found = _("env"), False
    for module, each in _modules(session).items():
        for key, value in each.manifest.env.items():
            if _SECRET.search(key) and value and "${" not in value and "/" not in value:
                found = True
                detail = _("{module}: the value of {key} stands in its manifest or in kite.yaml")
                advice = _("put it into a file of mode 0600 and name that under secrets:")
                yield Finding(name, WARN, detail.format(module=module, key=key), advice)
    if not found:
        yield Finding(name, OK, _("no value in a manifest looks like a secret"))


def secrets(session: Session) -> Iterator[Finding]:
    """Whether the files with secrets are their owner's alone."""
    from kite.model.plain_file import read_plain

    name, count, amiss = _("secrets"), 0, False
    for module, each in _modules(session).items():
        folder = str(each.folder)
        for secret in each.manifest.secrets:
            count += 1
            try:
                secret.value(folder)
            except KiteError as error:
                amiss = True
                yield Finding(name, FAIL, f"{module}: {error.message}", error.hint)
        for file in each.manifest.env_file:
            path = whole_path(file.path, folder)
            try:
                mode = read_plain(path, limit=1 << 20)[1]
            except (OSError, ValueError, KiteError):
                continue
            if mode & 0o077:
                amiss = True
                detail = _("{module}: others may read {path} (mode {mode})")
                detail = detail.format(module=module, path=path, mode=f"{mode:04o}")
                yield Finding(name, WARN, detail, f"chmod 600 {path}")
    if not amiss:
        yield Finding(name, OK, _("files with secrets, all closed: {count}").format(count=count))


def origins(session: Session) -> Iterator[Finding]:
    """Which pages of the web may talk to Kite, with a token."""
    from kite.model.project import read_project

    name = _("origins")
    project = read_project(session.project_dir())
    far = [each for each in project.hub.get("origins") or () if not _LOOPBACK.fullmatch(each)]
    if not far:
        yield Finding(name, OK, _("only pages of this machine may connect"))
    for origin in far:
        detail = _("pages from {origin} may connect (hub.origins in kite.yaml)")
        advice = _("take it out where no page of yours is served from there")
        yield Finding(name, WARN, detail.format(origin=origin), advice)


def _modules(session: Session) -> Mapping[str, Found]:
    from kite.launcher.discovery import scan
    from kite.model.project import read_project

    folder = session.project_dir()
    found = scan(folder, read_project(folder)).modules
    return {name: each for name, each in found.items() if name not in CORE_NAMES}


def _is_bundled(found: Found) -> bool:
    from kite.launcher.instance import PACKAGE

    return found.folder.is_relative_to(PACKAGE)
