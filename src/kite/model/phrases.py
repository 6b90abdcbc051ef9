"""What a key of a manifest or of `kite.yaml` may hold, in words for error messages.

`kite.errors` translates them where a message is rendered, so that an error travels in English and
is read in the reader's language.
"""

from __future__ import annotations

from typing import Final

TEXT: Final = "a text on one line or more"
NON_EMPTY: Final = "a text that is not empty"
WORD: Final = "one word"
NAME: Final = "a name: a lower-case letter, then up to 63 lower-case letters, digits, '_' or '-'"
LIST: Final = "a list"
MAPPING: Final = "a mapping (key: value)"
LIST_OF_TEXTS: Final = "a list of texts"
PATTERNS: Final = "a list of at most 1024 patterns"
ARGUMENTS: Final = "a list of arguments, the program first"
BOOLEAN: Final = "true or false"
COUNT: Final = "a whole number, 1 or more"
REPLICAS: Final = "a whole number from 1 to 100"
COUNT_OR_ZERO: Final = "a whole number, 0 or more"
DEPTH: Final = "a whole number from 1 to 16"
DURATION: Final = "seconds as a number, or a text such as 500ms, 10s, 2m, 1h, 1d"
POSITIVE_DURATION: Final = (
    "more than 0 seconds, as a number or a text such as 500ms, 10s, 2m, 1h, 1d"
)
SIZE: Final = "bytes as a whole number, or a text such as 64KiB, 512MiB, 1GB"
CPU: Final = "a number of processor cores above 0, such as 0.5 or 2"
FACTOR: Final = "a number from 1 to 100"
PORT: Final = "a port: a whole number from 1 to 65535"
PORT_OR_ANY: Final = "a port: a whole number from 0 (any) to 65535"
PORT_OR_VARIABLE: Final = "a port from 1 to 65535, or '${KITE_PORT}'"
URL: Final = "a URL that begins with http:// or https:// and names a host"
ENDPOINT: Final = "a URL such as http://127.0.0.1:${KITE_PORT}"
URL_OR_PATH: Final = "a URL that begins with http:// or https://, or a path that begins with /"
ORIGIN: Final = "an origin such as https://example.org or http://localhost:8080"
REGEX: Final = "a regular expression"
SIGNAL: Final = "the name of a signal, such as SIGTERM or SIGINT"
DEPENDENCIES: Final = "a list of module names, or a mapping of names to ready, started or completed"
VARIABLE_NAME: Final = "the name of an environment variable, without '=' and not empty"
ENV_TEXT: Final = "a text; put it between quotes"
WATCH: Final = (
    "true, false, a list of glob patterns, or a mapping with paths, ignore, delay and dependents"
)
SCHEDULE: Final = "a cron expression, or a mapping with cron or interval"
CRON: Final = "a cron expression of five fields, such as '30 2 * * *'"
TIMEZONE: Final = "a time zone of the IANA list, such as Europe/Berlin"
SOURCE: Final = "a path, or a mapping with path and depth"
BACKOFF: Final = "seconds, or a mapping with initial, max and factor"
PROBE: Final = "one of http, tcp, log, exec"
HEALTH_PROBE: Final = "one of http, tcp, exec, heartbeat"
HEARTBEAT: Final = "true, false, or seconds as a number or a text such as 10s, 2m"
RELATIVE_PATH: Final = "a path of a file in the module's folder"
ENV_FILE: Final = "a path, a mapping with path and optional, or a list of these"
ENV_LINE: Final = "NAME=value, a comment or an empty line"
ENV_LINE_END: Final = "nothing but a comment behind the closing quote"
ENV_QUOTE: Final = "a closing quote"
ENV_REFERENCE: Final = "${NAME} or ${NAME:-text}"
ENV_NO_NUL: Final = "text without NUL"
ENV_UTF8: Final = "text in UTF-8"
NO_REGULAR_FILE: Final = "it is no regular file"
TOO_LARGE: Final = "it is too large"
SECRET_EMPTY: Final = "it is empty"
SECRET_NO_TEXT: Final = "it is no text in UTF-8 without NUL"
SECRET_PATH: Final = "the path of a file"
SUCCESS: Final = "an exit status from 0 to 255, or the name of a signal such as SIGTERM"
