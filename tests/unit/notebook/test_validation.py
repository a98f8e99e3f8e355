"""The checks of arguments that magics and functions share."""

import pytest

from versori_magics.errors import ArgumentError
from versori_magics.notebook.validation import check_number, check_text, describe_type


@pytest.mark.parametrize("value", [0, -1, 33, True, 1.0, "8", None, float("nan")])
def test_a_number_outside_its_limits_or_of_another_type_is_rejected(value: object) -> None:
    with pytest.raises(ArgumentError, match="workers must be a whole number from 1 to 32"):
        check_number("workers", value, 1, 32)


def test_numbers_within_their_limits_are_accepted() -> None:
    for value in (1, 8, 32):
        check_number("workers", value, 1, 32)
    check_number("max", 10**9, 1, None)


def test_text_in_place_of_a_number_is_not_quoted_because_it_may_be_a_token() -> None:
    with pytest.raises(ArgumentError, match="not a string of 15 characters") as caught:
        check_number("max", "perhaps a token", 1, None)
    assert "perhaps" not in str(caught.value)


def test_a_wrong_number_is_quoted() -> None:
    with pytest.raises(ArgumentError, match=r"max must be a whole number of at least 1, not 1\.5\."):
        check_number("max", 1.5, 1, None)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "system must not be blank."),
        ("  ", "system must not be blank."),
        (5, "system must be text, not an int."),
        (0, "system must be text, not an int."),
        (True, "system must be text, not a bool."),
        (b"x", "system must be text, not a bytes."),
        (["x"], "system must be text, not a list."),
    ],
)
def test_an_option_that_is_blank_or_not_text_is_rejected_and_never_counts_as_omitted(
    value: object, message: str
) -> None:
    with pytest.raises(ArgumentError) as caught:
        check_text("system", value)
    assert caught.value.lines() == [message, "Omit system if you do not need it."]


def test_text_and_an_omitted_option_are_accepted() -> None:
    check_text("system", None)
    check_text("system", "Shop")


def test_a_value_is_described_by_its_type_only() -> None:
    values = ["a secret", None, 5, [1], {}]
    assert [describe_type(value) for value in values] == [
        "a string of 8 characters",
        "None",
        "an int",
        "a list",
        "a dict",
    ]
