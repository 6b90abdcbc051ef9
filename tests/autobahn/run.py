"""`./dev autobahn [CASES…] [--form pure|compiled]`: RFC 6455 by the Autobahn testsuite, as a table."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

import wstest

from kite.event_hub.compiled import NotCompiled, load

_COLUMNS = ("group", "cases", "OK", "non-strict", "informational", "failed", "missing")


def main() -> int:
    """Exit status: 0 nothing failed (or nothing can run here, which is said), 1 something did."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", help="such as '6.*' or 7.1.2 (default: all)")
    parser.add_argument(
        "--form", choices=("pure", "compiled"), help="of the listener (default: both)"
    )
    asked = parser.parse_args()
    try:
        command = wstest.install()
    except wstest.Missing as why:
        _say(f"skipped: {why}")
        return 0
    wanted = asked.cases or [f"{group}.*" for group in wstest.CASES]
    forms = [asked.form] if asked.form else ["pure", "compiled"]
    failed = False
    for form in forms:
        if form == "compiled" and (why := _not_compiled()):
            _say(f"skipped: the compiled listener is not here, {why}")
            continue
        results = wstest.run(command, form, wanted)
        failed |= _report(form, results, complete=not asked.cases)
    return int(failed)


def _not_compiled() -> str:
    try:
        load()
    except NotCompiled as why:
        return str(why)
    return ""


def _report(form: str, results: list[wstest.Result], *, complete: bool) -> bool:
    """Print the table of one form; whether anything failed or was not run."""
    _say(f"\nthe {form} listener")
    _row(*_COLUMNS)
    missing = 0
    groups = wstest.CASES if complete else dict.fromkeys(result.group for result in results)
    for group in groups:
        of_group = [result for result in results if result.group == group]
        count = Counter("failed" if r.is_failure else r.behavior for r in of_group)
        lacking = wstest.CASES[group] - len(of_group) if complete else 0
        missing += abs(lacking)
        cells = [count[word] for word in ("OK", "NON-STRICT", "INFORMATIONAL", "failed")]
        _row(group, len(of_group), *cells, lacking)
    for result in results:
        if result.is_failure or result.behavior != "OK":
            _say(f"{result.case}: {result.behavior}, closing {result.closing}")
    return missing > 0 or not results or any(result.is_failure for result in results)


def _row(*cells: object) -> None:
    _say(
        "".join(
            f"{cell!s:>{max(len(name), 5) + 2}}" for cell, name in zip(cells, _COLUMNS, strict=True)
        )
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
