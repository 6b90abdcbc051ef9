"""What a file says: its text, its title, and the form in which words are looked up.

Pure: bytes and strings in, strings out. The index and the query go through the same `spread`, so
that what can be typed can be found.
"""

from __future__ import annotations

import html
import re
import unicodedata

VERSION = "1"
"""Changes whenever `spread` or `read_text` changes what they return: the index is built anew."""

MAX_TITLE = 200

# Scripts that are written without spaces between words, and Hangul, whose words carry particles.
# Each character becomes a word of its own, and a run of them in a query becomes a phrase: any part
# of a Chinese, Japanese or Korean sentence is found, from one character on.
_CJK = (
    "\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
CJK_RUN = re.compile(f"[{_CJK}]+")
_CJK_CHARACTER = re.compile(f"([{_CJK}])")

# parseHTTPHeader is found as "parse", "http" and "header", and by the phrase they make.
# Each pattern decides at a word's first letter or at a capital: text flies past them.
_CAMEL_WORD = re.compile(r"(?<![A-Za-z0-9])(?:[A-Z]*[a-z0-9]+[A-Z]|[A-Z]{2,}[a-z])[A-Za-z0-9]*")
_CAMEL_CAPITAL = re.compile(r"[A-Z](?:(?<=[a-z0-9].)|(?<=[A-Z].)(?=[a-z]))")

_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


def decode(content: bytes) -> str:
    """The text of a file, in whatever encoding it most probably is. Never fails."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        pass
    # Many Chinese texts are older than UTF-8; latin-1 accepts anything and keeps what is ASCII.
    try:
        text = content.decode("gb18030")
    except UnicodeDecodeError:
        return content.decode("latin-1")
    return text if len(CJK_RUN.findall(text)) * 4 > text.count("\n") else content.decode("latin-1")


def read_text(content: bytes, kind: str) -> str:
    """The text that is searched and shown: of HTML what a reader sees, of anything else itself.

    Args:
        content: the file's bytes.
        kind: `markdown`, `text`, `html` or `source`.
    """
    text = decode(content)
    if kind == "html":
        text = _visible(text)
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", " ")


_UNSEEN = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|template|head)\b.*?(?:</\1\s*>|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_BLOCK = re.compile(
    r"</?(?:p|div|br|li|ul|ol|tr|table|h[1-6]|pre|section|article|dd|dt|blockquote|nav|header"
    r"|footer|main|hr|title)\b[^<>]*>",
    re.IGNORECASE,
)
_TAG = re.compile(r"<[a-zA-Z/!?][^<>]*>")
_SPACES = re.compile(r"[ \t\f\v]+")
_EMPTY_LINES = re.compile(r"\n[ \n]*\n")


def _visible(source: str) -> str:
    """HTML without its tags, scripts and styles; one block a line."""
    text = _TAG.sub("", _BLOCK.sub("\n", _UNSEEN.sub(" ", source)))
    return _EMPTY_LINES.sub("\n\n", _SPACES.sub(" ", html.unescape(text))).strip()


_HTML_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.DOTALL | re.IGNORECASE)
_HTML_HEADING = re.compile(r"<h1[^>]*>(.*?)</h1", re.DOTALL | re.IGNORECASE)
_FRONT_TITLE = re.compile(r"\A---\n(?:.*\n)*?title:[ \t]*(.+)\n(?:.*\n)*?---[ \t]*\n")
_HEADING = re.compile(r"^ {0,3}#{1,3}[ \t]+(.+?)[ \t]*#*$|^(\S.*)\n={3,}[ \t]*$", re.MULTILINE)
_MARKUP = re.compile(r"[*_`]+|!?\[([^\]]*)\]\([^)]*\)")


def read_title(content: bytes, kind: str, text: str, path: str) -> str:
    """What a person calls the document: its heading, else its file's name."""
    name = path.rpartition("/")[2]
    found = None
    if kind == "html":
        source = decode(content[:65536])
        match = _HTML_TITLE.search(source) or _HTML_HEADING.search(source)
        found = html.unescape(_TAG.sub("", match[1])) if match else None
    elif kind == "markdown":
        head = text[:20000]
        if match := _FRONT_TITLE.match(head[:4000]):
            found = match[1].strip("\"' ")
        elif match := _HEADING.search(_without_fences(head)):
            found = _MARKUP.sub(r"\1", match[1] or match[2])
    title = " ".join((found or "").split())
    return title[:MAX_TITLE] or name


def _without_fences(text: str) -> str:
    """Markdown without its code blocks, in which a `# comment` is no heading."""
    return re.sub(r"^(```|~~~).*?^\1[ \t]*$", "", text, flags=re.DOTALL | re.MULTILINE)


def spread(text: str) -> str:
    """The text with spaces between the words that it writes as one."""
    text = _CAMEL_CAPITAL.sub(r" \g<0>", text)
    return text if text.isascii() else _CJK_CHARACTER.sub(r" \1 ", text)


def joined_words(text: str) -> str:
    """The words that `spread` takes apart, written as one: whole and from each part on.

    `AbstractEventLoop` gives itself and `EventLoop`; each once.
    """
    joined: dict[str, None] = {}
    for word in dict.fromkeys(_CAMEL_WORD.findall(text)):
        parts = spread(word).split()
        for first in range(len(parts) - 1):
            joined["".join(parts[first:])] = None
    return " ".join(joined)


def count_words(text: str) -> int:
    """How many words a reader would count; a Chinese or Japanese character counts as one."""
    if text.isascii():
        return len(text.split())
    return len(_CJK_CHARACTER.sub(r" \1 ", text).split())


class _Fold(dict[int, str]):
    """One character for one character: without case and accents, so that places stay places."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        folded = unicodedata.normalize("NFD", character)[0].lower()
        self[code] = result = folded if len(folded) == 1 else character
        return result


_fold = _Fold()


def fold(text: str) -> str:
    """The text without case and accents, each character at the place it had."""
    return text.lower() if text.isascii() else text.translate(_fold)
