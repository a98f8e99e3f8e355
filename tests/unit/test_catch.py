"""Exceptions as return values."""

import traceback

import pytest

from versori_magics.catch import catch
from versori_magics.errors import SettingsError


def fail() -> int:
    raise ValueError("the token is s3cret")


def test_catch_returns_the_value() -> None:
    assert catch(lambda: 5, ValueError) == 5
    assert catch(lambda: None, ValueError, OSError) is None


def test_catch_returns_an_expected_exception() -> None:
    error = catch(fail, OSError, ValueError)
    assert isinstance(error, ValueError)
    assert str(error) == "the token is s3cret"
    assert isinstance(catch(fail, Exception), ValueError)


def test_an_error_raised_after_catch_has_no_context() -> None:
    def parse() -> None:
        if isinstance(catch(fail, ValueError), ValueError):
            raise SettingsError("the value is invalid")

    with pytest.raises(SettingsError) as caught:
        parse()
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_catch_lets_unexpected_exceptions_through(error: type[BaseException]) -> None:
    def interrupt() -> None:
        raise error

    with pytest.raises(error):
        catch(interrupt, OSError, KeyError)
