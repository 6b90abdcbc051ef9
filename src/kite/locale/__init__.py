"""Messages in the language of the person who reads them: English and Simplified Chinese.

`KITE_LANG` decides, else the locale (`LC_ALL`, `LC_MESSAGES`, `LANG`). English texts are the keys;
`zh_CN/LC_MESSAGES/kite.po` holds the translations and `kite.mo` beside it what gettext reads.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

LANGUAGES = ("en", "zh_CN")


def language() -> str:
    """The language of this process: one of `LANGUAGES`."""
    for name in ("KITE_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name, "")
        if value:
            return "zh_CN" if value.lower().replace("-", "_").startswith("zh") else "en"
    return "en"


@cache
def _catalogue(name: str) -> dict[str, str]:
    if name == "en":
        return {}
    import gettext  # noqa: PLC0415  (English speakers need not load it)

    found = gettext.translation("kite", Path(__file__).parent, [name], fallback=True)
    return {
        key: text
        for key, text in getattr(found, "_catalog", {}).items()
        if isinstance(key, str) and key
    }


def translate(text: str) -> str:
    """The text in the language of this process, or as it is where no translation exists."""
    return _catalogue(language()).get(text, text)


_ = translate
