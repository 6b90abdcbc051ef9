"""Finding modules: every folder with a `module.md`, place by place.

Places come in a fixed order and an earlier one wins: Kite's core modules, its extensions, the
project's `modules/`, `~/.kite/modules/`, then the named sources of the Launcher's own `module.md` and
of `kite.yaml`. Nothing that is wrong in one folder keeps the others from being found.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from kite.errors import ConfigError, Location
from kite.model.check import mistakes
from kite.model.front_matter import decode_text, read_bytes
from kite.model.manifest import CORE_NAMES, MANIFEST_NAME, ConfigState, parse_placed
from kite.model.mistakes import ConfigErrors, by_place
from kite.model.project import Project, read_launcher_sources, survey_project
from kite.model.scan import Broken, Found, Scan, Source
from kite.model.workspace import home_dir, is_tellable

PACKAGE = Path(__file__).resolve().parent.parent
"""The installed package, in which the core modules and the extensions lie."""

CORE = "core"
EXTENSIONS = "extensions"
PACKAGE_SOURCES = (CORE, EXTENSIONS)


def scan(
    project_dir: Path,
    project: Project,
    *,
    home: Path | None = None,
    package: Path = PACKAGE,
    known: Mapping[Path, str] | None = None,
) -> Scan:
    """Search every place for modules.

    Args:
        project_dir: resolved.
        project: its `kite.yaml`, whose sources are searched and whose overrides are laid over the
            manifests.
        home: the user's home directory, if another is meant.
        package: Kite's own modules, if others are meant.
        known: folder to the name of the module that an earlier search found there, which it keeps
            while its manifest cannot be read.

    Raises:
        ConfigErrors: a core module is missing or broken, so that nothing can be started.
    """
    search = _Search(project, known)
    for name in CORE_NAMES:
        search.core(package / name, name)
    for source in sources(project_dir, project, home=home, package=package):
        search.source(source)
    return Scan(modules=search.modules, broken=search.broken, problems=tuple(search.problems))


def sources(
    project_dir: Path, project: Project, *, home: Path | None = None, package: Path = PACKAGE
) -> tuple[Source, ...]:
    """The places that are searched, in order; the core modules' is not among them.

    Raises:
        ConfigErrors: `discovery:` in the Launcher's `module.md` is wrong.
    """
    return (
        Source(name=EXTENSIONS, path=package / EXTENSIONS),
        Source(name="project", path=project_dir / "modules"),
        *_users_own(home),
        *read_launcher_sources(package / "launcher" / MANIFEST_NAME, home=home),
        *project.sources,
    )


def _users_own(home: Path | None) -> tuple[Source, ...]:
    try:
        user = home or home_dir(os.environ)
    except ConfigError:
        return ()  # a user without a home has no modules there
    return (Source(name="user", path=user / ".kite" / "modules"),)


def check_core(package: Path = PACKAGE) -> None:
    """Make sure that the core modules are there and readable.

    Raises:
        ConfigErrors: they are not (exit status 2).
    """
    search = _Search(Project())
    for name in CORE_NAMES:
        search.core(package / name, name)


def check_project(
    project_dir: Path,
    *,
    environ: Mapping[str, str] | None = None,
    home: Path | None = None,
    package: Path = PACKAGE,
) -> tuple[ConfigError, ...]:
    """Every mistake in a project's `kite.yaml` and in every manifest, sorted by file and line.

    What is wrong in `kite.yaml` counts as not said while the modules are judged.
    """
    project, wrong = survey_project(project_dir, home=home)
    found = list(wrong)
    try:
        modules = scan(project_dir, project, home=home, package=package)
    except ConfigErrors as errors:
        return tuple(sorted([*found, *errors.errors], key=by_place))
    found.extend(mistakes(modules, project, project_dir=project_dir, environ=environ))
    return tuple(sorted(found, key=by_place))


class _Search:
    """One scan, place after place."""

    def __init__(self, project: Project, known: Mapping[Path, str] | None = None) -> None:
        self.project = project
        self.known = known or {}
        self.modules: dict[str, Found] = {}
        self.broken: dict[str, Broken] = {}
        self.problems: list[ConfigError] = []
        self.seen: set[tuple[int, int]] = set()

    def core(self, folder: Path, name: str) -> None:
        file = folder / MANIFEST_NAME
        if not file.is_file():
            place = Location(file=str(file))
            raise ConfigErrors(
                (ConfigError("core_module_missing", location=place, name=name, folder=str(folder)),)
            )
        self.module(folder, CORE)
        if name in self.broken:
            raise ConfigErrors(self.broken[name].errors)
        if name not in self.modules:
            place = Location(file=str(file))
            raise ConfigErrors(
                (ConfigError("core_module_missing", location=place, name=name, folder=str(folder)),)
            )

    def source(self, source: Source) -> None:
        if not os.path.isdir(source.path):  # noqa: PTH112  (says no where a parent is closed)
            if source.required or os.path.lexists(source.path):
                place = Location(file=source.file or str(source.path), line=source.line)
                self.problems.append(
                    ConfigError(
                        "source_missing", location=place, name=source.name, path=str(source.path)
                    )
                )
            return
        root = Path(os.path.realpath(source.path))
        for folder in self.folders(root, source.depth, frozenset({_identity(root)})):
            self.module(folder, source.name)

    def folders(
        self, folder: Path, depth: int, above: frozenset[tuple[int, int]]
    ) -> Iterator[Path]:
        """The module folders at and below a folder, by name; links to ancestors lead nowhere."""
        try:
            with os.scandir(folder) as entries:
                names = {entry.name: entry for entry in entries}
        except OSError as error:
            detail = error.strerror or str(error)
            place = Location(file=str(folder))
            self.problems.append(ConfigError("directory_unreadable", location=place, detail=detail))
            return
        if MANIFEST_NAME in names:
            yield folder
            return
        if depth == 0:
            return
        for name in sorted(names):
            if name.startswith(".") or name in ("node_modules", "__pycache__"):
                continue
            try:
                if not names[name].is_dir():
                    continue
                below = Path(os.path.realpath(folder / name))
                identity = _identity(below)
            except OSError:
                continue  # a link that leads nowhere, or a folder that went while we looked
            if identity not in above:
                yield from self.folders(below, depth - 1, above | {identity})

    def module(self, folder: Path, source: str) -> None:
        file = folder / MANIFEST_NAME
        try:
            identity = _identity(folder)
        except OSError:
            return  # gone while we looked
        if identity in self.seen:
            return  # one folder reached by two ways is one module
        self.seen.add(identity)
        if not is_tellable(folder):
            shown = os.fsencode(folder).decode(errors="backslashreplace")
            place = Location(file=shown)
            self.problems.append(ConfigError("path_not_utf8", location=place, path=shown))
            return
        signature = signature_of(file)  # before it is read: what is written meanwhile differs
        try:
            found = self.read(folder, file, source, signature)
        except ConfigErrors as errors:
            self.add_broken(folder, file, source, signature, errors)
            return
        name = found.manifest.name
        if first := self.place_of(name):
            self.add_duplicate(name, first, folder, found.places["name"])
            return
        self.modules[name] = found

    def add_duplicate(self, name: str, first: Path, second: Path, place: Location) -> None:
        error = ConfigError(
            "duplicate_module", location=place, name=name, first=str(first), second=str(second)
        )
        self.problems.append(error)

    def read(self, folder: Path, file: Path, source: str, signature: tuple[int, ...]) -> Found:
        core = source == CORE
        try:
            text = decode_text(read_bytes(file), str(file))
        except ConfigError as error:
            raise ConfigErrors((error,)) from None
        manifest, places = parse_placed(text, str(file), core=core)
        override = self.project.overrides.get(manifest.name)
        if override is not None:
            try:
                manifest, places = parse_placed(text, str(file), core=core, override=override)
            except ConfigErrors as errors:
                raise _Overridden(manifest.name, errors) from None
        return Found(
            manifest=manifest,
            folder=folder,
            source=source,
            file=file,
            signature=signature,
            places=places,
        )

    def add_broken(
        self,
        folder: Path,
        file: Path,
        source: str,
        signature: tuple[int, ...],
        errors: ConfigErrors,
    ) -> None:
        name = self.known.get(folder, folder.name)
        if isinstance(errors, _Overridden):
            name = errors.name
        if first := self.place_of(name):
            if isinstance(errors, _Overridden):
                self.add_duplicate(name, first, folder, Location(file=str(file)))
            else:
                self.problems.extend(errors.errors)
            return
        self.broken[name] = Broken(
            name=name,
            folder=folder,
            source=source,
            file=file,
            errors=errors.errors,
            state=self.overridden_state(name),
            signature=signature,
        )

    def overridden_state(self, name: str) -> ConfigState | None:
        """What `kite.yaml` says of a module's config state, if that is one."""
        override = self.project.overrides.get(name)
        said = override.value.get("state") if override is not None else None
        word = said.value if said is not None else None
        return ConfigState(word) if word in set(ConfigState) else None

    def place_of(self, name: str) -> Path | None:
        """The folder that has the name already."""
        found = self.modules.get(name) or self.broken.get(name)
        return found.folder if found else None


class _Overridden(ConfigErrors):
    """The manifest is well, the project's override is not: the module is known by its own name."""

    def __init__(self, name: str, errors: ConfigErrors) -> None:
        super().__init__(errors.errors)
        self.name = name


def signature_of(file: Path) -> tuple[int, ...]:
    """What differs when a file may have changed: device, inode, size, nanosecond of change.

    An unreadable file has none.
    """
    try:
        status = file.stat()
    except OSError:
        return ()
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return (status.st_dev, status.st_ino)
