import pytest
from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID

from versori_magics.api.ids import canonical_ulid, parse_ulid
from versori_magics.errors import SettingsError

ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@pytest.mark.parametrize("text", [ID, ID.lower(), ID[:13].lower() + ID[13:]])
def test_ulid_is_returned_in_upper_case(text: str) -> None:
    assert canonical_ulid(text) == ID


def test_ulid_in_lower_case_is_accepted_with_every_release_of_python_ulid(monkeypatch: pytest.MonkeyPatch) -> None:
    def from_str(text: str) -> ULID:
        if not text.isupper():  # as releases before 4.1
            raise ValueError(text)
        return ULID()

    monkeypatch.setattr(ULID, "from_str", from_str)
    assert canonical_ulid(ID.lower()) == ID


@pytest.mark.parametrize("text", ["0" * 26, "7" + "Z" * 25])
def test_smallest_and_largest_ulid_are_accepted(text: str) -> None:
    assert canonical_ulid(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ID[:-1],
        ID + "0",
        f" {ID}",
        f"{ID} ",
        f"{ID}\n",
        f"\n{ID}",
        f"{ID} --yes",
        f"{ID[:20]} --yes",
        "../../projects/x",
        "../../../projects/01ARZ3ND",
        f"{ID[:23]}%2F",
        f"{ID[:25]}/",
        f"{ID[:25]}\x00",
        "\u0660" * 26,
        "\uff10" * 26,
        ID[:-1] + "\u0130",
    ],
)
def test_text_that_only_resembles_a_ulid_is_rejected(text: str) -> None:
    assert canonical_ulid(text) is None


@pytest.mark.parametrize("letter", "ILOUilou")
def test_letters_outside_the_ulid_alphabet_are_not_read_as_digits(letter: str) -> None:
    assert canonical_ulid(ID[:-1] + letter) is None


@pytest.mark.parametrize("text", ["8" + "0" * 25, "Z" * 26])
def test_number_of_more_than_128_bits_is_rejected(text: str) -> None:
    assert canonical_ulid(text) is None


@pytest.mark.parametrize("value", [None, 1, 1.5, float("nan"), True, ID.encode(), [ID], {"id": ID}, object()])
def test_only_text_can_be_a_ulid(value: object) -> None:
    assert canonical_ulid(value) is None


@given(st.text(max_size=30) | st.text(alphabet=CROCKFORD + CROCKFORD.lower() + "ILOU-./ ", min_size=26, max_size=26))
def test_accepted_ulid_is_canonical_and_accepted_again_unchanged(text: str) -> None:
    ulid = canonical_ulid(text)
    if ulid is not None:
        assert ulid == text.upper()
        assert len(ulid) == 26
        assert set(ulid) <= set(CROCKFORD)
        assert ulid[0] <= "7"
        assert canonical_ulid(ulid) == ulid


@given(st.integers(0, 2**128 - 1))
def test_every_128_bit_number_can_be_written_as_a_ulid(number: int) -> None:
    text = "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))
    assert canonical_ulid(text) == canonical_ulid(text.lower()) == text


# Settings


def test_setting_may_have_blanks_around_its_ulid_and_any_case() -> None:
    assert parse_ulid(f" {ID.lower()}\n", "organisation") == ID


@pytest.mark.parametrize("bad", ["", "no", f"{ID}x", ID[:-1] + "U", f"{ID} {ID}", "\uff18" * 26])
def test_invalid_ulid_in_a_setting_is_described_by_its_length(bad: str) -> None:
    with pytest.raises(SettingsError, match=rf"The organisation \({len(bad)} characters\) is not a ULID"):
        parse_ulid(bad, "organisation")


def test_token_in_the_setting_of_a_ulid_is_not_quoted() -> None:
    token = "vk_5f2a9c8e7b1d4036"
    with pytest.raises(SettingsError) as caught:
        parse_ulid(token, "organisation")
    assert token not in f"{caught.value} {caught.value!r} {vars(caught.value)}"
