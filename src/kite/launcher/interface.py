"""What the Launcher offers over HTTP: one row for each route (`protocol/openapi/launcher.json`)."""

from __future__ import annotations

from typing import Final

from kite.http.interface import HEALTH, OPERATOR, Answer, Interface, Operation, metrics
from kite.launcher.requests import (
    Asked,
    Ending,
    RestartAsked,
    Rotated,
    SettledQuery,
    StateBody,
    WaitQuery,
    WatchBody,
)

LINES: Final = "application/x-ndjson"

_READERS: Final = ("operator", "module")
_CONTROL: Final = ("operator", "module:launcher.control")
_ONE: Final = "/launcher/modules/{name}"
_NAME: Final = {"name": "the module's name, or its folder's where the manifest has none"}
_WAITED_FOR: Final = (
    "dependency_stopped", "failed", "not_settled", "stopping", "superseded", "survivors",
)  # fmt: skip
_FILES: Final = (
    "file_changed", "file_missing", "file_not_regular", "file_not_utf8", "file_not_writable",
    "file_too_large", "file_unreadable", "front_matter_missing",
    "front_matter_open", "key_not_text", "not_editable", "repeated_key",
    "several_documents", "yaml_alias", "yaml_colon", "yaml_open", "yaml_syntax", "yaml_tab",
    "yaml_tag", "yaml_too_large",
)  # fmt: skip
"""What a person may have done to a file that is to be changed."""


def _acting(verb: str, summary: str, body: type[Asked], *codes: str) -> Operation:
    return Operation(
        method="POST",
        path=f"{_ONE}/{verb}",
        id=verb,
        summary=summary,
        who=_CONTROL,
        body=body,
        is_body_optional=True,
        query=WaitQuery,
        answers=(
            Answer(what="it is done, or was so already", shape="module-record"),
            Answer(what="it is under way", shape="module-record", status=202),
        ),
        codes=("permission_denied", "core_module", "unknown_module", *_WAITED_FOR, *codes),
        parameters=_NAME,
    )


def _one(path: str, name: str, summary: str, shape: str) -> Operation:
    return Operation(
        method="GET",
        path=path,
        id=name,
        summary=summary,
        who=_READERS,
        answers=(Answer(what="it", shape=shape),),
        codes=("unknown_module",),
        parameters=_NAME,
    )


INTERFACE: Final = Interface(
    name="launcher",
    title="Kite Launcher",
    description=(
        "The management API of one running Kite. Tokens of modules may read; with the scope"
        " `launcher.control` they may also start, stop and restart. JSON in and out, whatever a"
        " request's content type says; unknown keys and parameters are ignored. Each GET may be"
        " asked as HEAD too. Every error is a problem document with a code."
    ),
    token_codes=("unauthorized", "going_away", "limit_reached"),
    operations=(
        HEALTH,
        metrics(_READERS),
        Operation(
            method="GET",
            path="/launcher",
            id="about",
            summary="Instance, phase, versions",
            who=_READERS,
            answers=(Answer(what="this Kite", shape="launcher"),),
        ),
        Operation(
            method="GET",
            path="/launcher/settled",
            id="settled",
            summary="Wait until everything has come up as far as it will",
            who=_READERS,
            query=SettledQuery,
            answers=(Answer(what="how far it is", shape="settled"),),
        ),
        Operation(
            method="GET",
            path="/launcher/modules",
            id="modules",
            summary="All modules, the core ones first",
            who=_READERS,
            answers=(Answer(what="their records", shape="module-records"),),
        ),
        _one(_ONE, "module", "One module", "module-record"),
        _one(f"{_ONE}/explain", "explain", "What its state rests on", "explanation"),
        Operation(
            method="PUT",
            path=f"{_ONE}/state",
            id="put_state",
            summary="Change the config state, in the file where it stands",
            who=OPERATOR,
            body=StateBody,
            query=WaitQuery,
            answers=(Answer(what="what stands where now", shape="state-change"),),
            codes=(
                "bad_config_state",
                "broken_manifest",
                "core_module",
                "module_disabled",
                "permission_denied",
                "unknown_module",
                *_WAITED_FOR,
                *_FILES,
            ),
            parameters=_NAME,
        ),
        _acting("start", "Start it, and what it depends on", Asked, "module_disabled"),
        _acting("stop", "Stop it, and it alone", Asked),
        _acting(
            "restart",
            "Restart it, and it alone",
            RestartAsked,
            "life_gone",
            "module_disabled",
            "stopped",
        ),
        Operation(
            method="POST",
            path=f"{_ONE}/watch",
            id="watch",
            summary="Restart it at changes of its files, for as long as the caller listens",
            who=OPERATOR,
            more=(
                "Lines of JSON: `watching` as soon as changes are seen, then each change with what"
                " was done; an empty line in 5 s. The watch ends with the connection."
            ),
            body=WatchBody,
            is_body_optional=True,
            answers=(Answer(what="lines without an end", media_type=LINES),),
            codes=("permission_denied", "core_module", "unknown_module"),
            parameters=_NAME,
        ),
        Operation(
            method="POST",
            path="/launcher/rescan",
            id="rescan",
            summary="Search the folders of modules again",
            who=OPERATOR,
            answers=(Answer(what="what was found", shape="rescan"),),
            codes=("permission_denied",),
        ),
        Operation(
            method="POST",
            path="/launcher/token",
            id="rotate_token",
            summary="Change the operator's token; `api.json` has the new one",
            who=OPERATOR,
            answers=(Answer(what="the former one is dead", shape=Rotated),),
            codes=("permission_denied", "token_not_rotated"),
        ),
        Operation(
            method="POST",
            path="/launcher/shutdown",
            id="shutdown",
            summary="End everything",
            who=OPERATOR,
            answers=(Answer(what="it ends", shape=Ending, status=202),),
            codes=("permission_denied",),
        ),
    ),
)
