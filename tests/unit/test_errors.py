"""The error tree: what an error says, whatever it was given."""

import pytest

from kite.errors import KiteError, RequestError


def test_a_code_of_ones_own_says_its_detail() -> None:
    """A module's own error code has no template: its detail is the message."""
    error = RequestError("no_such_fruit", detail="there is no 'kiwi'")
    assert (error.message, error.hint) == ("there is no 'kiwi'", "")
    assert RequestError("no_such_fruit").message == "no_such_fruit"


@pytest.mark.parametrize(
    "detail", ['the data must be {"query": text}', "{", "}", "{0}", "{code!r:>9}", "a {{b}}"]
)
def test_braces_in_a_detail_mean_themselves(detail: str) -> None:
    """A detail that holds JSON is shown as it is, and never fails as a template would."""
    error = KiteError("my_own_code", detail=detail)
    assert error.message == error.english == str(error) == detail


def test_a_template_is_filled_once() -> None:
    """What fills a placeholder is not read as a template itself."""
    assert "{name}" in RequestError("unknown_module", module="{name}").message
