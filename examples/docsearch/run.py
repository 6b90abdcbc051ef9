"""Bring docsearch up over a folder: `./dev run [FOLDER]`.

Says where to look, then becomes `kite up` in this terminal. Ctrl-C or q ends everything.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path

from kite.locale import language

PROJECT = Path(__file__).resolve().parent
REPOSITORY = PROJECT.parents[1]
PORT = 8600
"""What `modules/web/module.md` prefers."""

CHINESE = {
    "Bring docsearch up over a folder.": "对一个文件夹启动 docsearch。",
    "the documents to search (default: DOCSEARCH_FOLDER, else this repository's own docs)": (
        "要搜索的文档（默认：DOCSEARCH_FOLDER，否则为本仓库自己的 docs）"
    ),
    "Every other word goes to `kite up`: -q prints less, -v more.": (
        "其他参数都交给 `kite up`：-q 输出更少，-v 输出更多。"
    ),
    "show this help": "显示此帮助",
    "{folder} is no folder; name one: ./dev run ~/Documents": (
        "{folder} 不是文件夹；请指定一个：./dev run ~/Documents"
    ),
    "docsearch over {folder}": "docsearch 正在搜索 {folder}",
    "open {url} when it is up": "启动后请打开 {url}",
    "port {port} is taken: a docsearch that runs already has its page there; if it is another"
    " program, `web` says below where the page is": (
        "端口 {port} 已被占用：如果 docsearch 已在运行，页面就在那里；"
        "如果是别的程序，`web` 会在下面说明页面的位置"
    ),
    "look around in another terminal: ./dev kite ps": "可在另一个终端中查看：./dev kite ps",
}


def say(text: str, **values: object) -> str:
    """The text in the reader's language, filled in."""
    return (CHINESE[text] if language() == "zh_CN" else text).format(**values)


def is_free(port: int) -> bool:
    """Whether the page can have the port that it prefers."""
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False


def main() -> None:
    """Read the arguments, say where to look, and go over to Kite."""
    parser = argparse.ArgumentParser(
        prog="./dev run",
        description=say("Bring docsearch up over a folder."),
        epilog=say("Every other word goes to `kite up`: -q prints less, -v more."),
        add_help=False,
    )
    parser.add_argument(
        "folder",
        nargs="?",
        help=say(
            "the documents to search (default: DOCSEARCH_FOLDER, else this repository's own docs)"
        ),
    )
    parser.add_argument("-h", "--help", action="help", help=say("show this help"))
    arguments, for_kite = parser.parse_known_args()

    named = arguments.folder or os.environ.get("DOCSEARCH_FOLDER") or REPOSITORY / "docs"
    folder = Path(named).expanduser().resolve()
    if not folder.is_dir():
        text = say("{folder} is no folder; name one: ./dev run ~/Documents", folder=folder)
        parser.exit(2, f"{text}\n")

    bin_dir = Path(sys.executable).parent
    os.environ["DOCSEARCH_FOLDER"] = str(folder)
    # The modules find `kite` and `python3` where this runs, whatever the terminal's PATH is.
    os.environ["PATH"] = os.pathsep.join([str(bin_dir), os.environ.get("PATH", os.defpath)])

    lines = [say("docsearch over {folder}", folder=folder)]
    if is_free(PORT):
        lines.append(say("open {url} when it is up", url=f"http://127.0.0.1:{PORT}/"))
    else:
        lines.append(
            say(
                "port {port} is taken: a docsearch that runs already has its page there; if it is"
                " another program, `web` says below where the page is",
                port=PORT,
            )
        )
    lines.append(say("look around in another terminal: ./dev kite ps"))
    print("\n".join(lines), end="\n\n", file=sys.stderr)
    os.execv(
        sys.executable,
        [sys.executable, "-m", "kite.cli.entry", "-C", str(PROJECT), "up", *for_kite],
    )


if __name__ == "__main__":
    main()
