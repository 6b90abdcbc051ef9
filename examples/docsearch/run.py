"""Bring docsearch up over a folder: `./dev run [FOLDER]`.

Says where to look, then becomes `kite up` in this terminal. Ctrl-C or q ends everything.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent
REPOSITORY = PROJECT.parents[1]
PORT = 8600
"""What `modules/web/module.md` prefers."""


def is_free(port: int) -> bool:
    """Whether the page can have the port that it prefers."""
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False


def main() -> None:
    """Read the arguments, say where to look, and go over to Kite."""
    parser = argparse.ArgumentParser(prog="./dev run", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "folder",
        nargs="?",
        help="the documents to search (default: DOCSEARCH_FOLDER, else this repository's own docs)",
    )
    arguments, for_kite = parser.parse_known_args()

    named = arguments.folder or os.environ.get("DOCSEARCH_FOLDER") or REPOSITORY / "docs"
    folder = Path(named).expanduser().resolve()
    if not folder.is_dir():
        parser.exit(2, f"{folder} is no folder; name one: ./dev run ~/Documents\n")

    bin_dir = Path(sys.executable).parent
    os.environ["DOCSEARCH_FOLDER"] = str(folder)
    # The modules find `kite` and `python3` where this runs, whatever the terminal's PATH is.
    os.environ["PATH"] = os.pathsep.join([str(bin_dir), os.environ.get("PATH", os.defpath)])

    print(f"docsearch over {folder}", file=sys.stderr)
    if is_free(PORT):
        print(f"open http://127.0.0.1:{PORT}/ when it is up", file=sys.stderr)
    else:
        print(f"port {PORT} is taken: `web` says below where it is", file=sys.stderr)
    print("look around in another terminal: ./dev kite ps\n", file=sys.stderr)
    os.execv(
        sys.executable,
        [sys.executable, "-m", "kite.cli.entry", "-C", str(PROJECT), "up", *for_kite],
    )


if __name__ == "__main__":
    main()
