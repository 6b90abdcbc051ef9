"""`kite new`: write a module that runs."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import click

from kite.cli import report
from kite.cli.command import Verb
from kite.cli.session import Session
from kite.errors import ConfigError, KiteError
from kite.locale import _

TEMPLATES = Path(__file__).parent / "templates"
PROJECT_FILE = "kite.yaml"
RUNTIMES = ("python", "node", "binary")
EXECUTABLE = 0o755


@click.command(
    cls=Verb,
    help=_(
        "Write a new module into modules/NAME: a manifest and a program that runs, to be changed."
    ),
)
@click.option(
    "--runtime",
    type=click.Choice(RUNTIMES),
    default="python",
    show_default=True,
    help=_("what the program is written in; binary is any program that can be executed"),
)
@click.argument("name")
@click.pass_obj
def new(session: Session, *, runtime: str, name: str) -> int:
    project = session.project_dir()
    check_name(name, project)
    folder = project / "modules" / name
    is_first = not os.path.lexists(project / PROJECT_FILE) and not folder.parent.exists()
    files = write(folder, runtime, name)
    if is_first and (made := write_project_file(project)):
        files.append(made)
    if session.wants_json:
        shown = {"name": name, "folder": str(folder), "files": [str(file) for file in files]}
        report.document(shown)
        return 0
    for file in files:
        print(_shown(file))
    report.say("")
    report.say(_("next: {command}").format(command=_next_step(session)))
    if runtime != "binary":
        ask = f"""kite request {name}.hello '{{"to": "you"}}'"""
        report.say(_("then: {command}").format(command=ask))
    else:
        report.say(_("then: {command}").format(command=f"kite logs -f {name}"))
    return 0


def check_name(name: str, project: Path) -> None:
    """See that a module of this name may be made.

    Raises:
        ConfigError: `bad_new_name` (the rule is in the message), `name_taken` (by whom), `name_of_logs`.
    """
    from kite.launcher.discovery import scan
    from kite.model.kinds import is_name
    from kite.model.manifest import TAKEN_NAMES
    from kite.model.project import read_project

    if not is_name(name):
        raise ConfigError("bad_new_name", name=name)
    if name in TAKEN_NAMES:
        raise ConfigError(TAKEN_NAMES[name], name=name, by="Kite")
    folder = project / "modules" / name
    if os.path.lexists(folder):
        raise ConfigError("name_taken", name=name, by=str(folder))
    try:
        found = scan(project, read_project(project)).modules.get(name)
    except KiteError:
        return  # what is wrong elsewhere is `kite check`'s to say
    if found is not None:
        raise ConfigError("name_taken", name=name, by=str(found.folder))


def write(folder: Path, runtime: str, name: str) -> list[Path]:
    """Write the files of a new module, all or nothing, and return them.

    Raises:
        ConfigError: `name_taken` when the folder has come into being meanwhile, `file_not_writable`.
    """
    try:
        return _write(folder, runtime, name)
    except OSError as error:
        detail = error.strerror or str(error)
        raise ConfigError("file_not_writable", path=str(folder), detail=detail) from None


def _write(folder: Path, runtime: str, name: str) -> list[Path]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder.parent))
    try:
        names = []
        for source in sorted((TEMPLATES / runtime).iterdir()):
            if not source.is_file():
                continue
            text = source.read_text(encoding="utf-8").replace("{{name}}", name)
            file = making / source.name
            file.write_text(text, encoding="utf-8")
            if text.startswith("#!"):
                file.chmod(EXECUTABLE)
            names.append(source.name)
        umask = os.umask(0)
        os.umask(umask)
        making.chmod(0o777 & ~umask)
        making.rename(folder)
    except BaseException as failed:
        shutil.rmtree(making, ignore_errors=True)
        if isinstance(failed, OSError) and os.path.lexists(folder):
            raise ConfigError("name_taken", name=name, by=str(folder)) from None
        raise
    return [folder / each for each in names]


def write_project_file(project: Path) -> Path | None:
    """Write a `kite.yaml` that says nothing yet: it makes the folder a project from below, too.

    Returns:
        the file, or None when somebody has written one meanwhile.
    """
    file = project / PROJECT_FILE
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write((TEMPLATES / PROJECT_FILE).read_text(encoding="utf-8"))
    except FileExistsError:
        return None
    except OSError as error:
        file.unlink(missing_ok=True)  # half of it is worse than none
        detail = error.strerror or str(error)
        raise ConfigError("file_not_writable", path=str(file), detail=detail) from None
    return file


def _next_step(session: Session) -> str:
    try:
        session.control()
    except KiteError:
        return "kite up"
    return "kite rescan"


def _shown(file: Path) -> str:
    try:
        return str(file.relative_to(Path.cwd()))
    except ValueError:
        return str(file)
