"""RFC 6455 on the Hub's own connections; `./dev autobahn` runs the slow cases too."""

from __future__ import annotations

import pytest
import wstest

from kite.event_hub.compiled import NotCompiled, load

QUICK = [
    "1.*",
    "2.*",
    "3.*",
    "4.*",
    "5.*",
    "6.1.*",
    "6.2.*",
    "6.6.*",
    "7.*",
    "9.1.1",
    "9.2.1",
    "10.*",
]


@pytest.mark.parametrize("form", ["pure", "compiled"])
def test_the_quick_cases_of_the_autobahn_testsuite_pass(form: str) -> None:
    try:
        if form == "compiled":
            load()
        command = wstest.installed()
    except (NotCompiled, wstest.Missing) as why:
        pytest.skip(str(why))
    results = wstest.run(command, form, QUICK)
    assert [result for result in results if result.is_failure] == []
    assert {result.group for result in results} == set(wstest.CASES)
