import pytest
from hypothesis import given
from hypothesis import strategies as st

from versori_magics.platform.ids import canonical_ulid

ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@pytest.mark.parametrize("text", [ID, ID.lower(), ID[:13].lower() + ID[13:]])
def test_an_id_is_given_back_in_upper_case(text: str) -> None:
    assert canonical_ulid(text) == ID


@pytest.mark.parametrize("text", ["0" * 26, "7" + "Z" * 25])
def test_the_smallest_and_the_largest_id_are_ids(text: str) -> None:
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
def test_what_only_resembles_an_id_is_none(text: str) -> None:
    assert canonical_ulid(text) is None


@pytest.mark.parametrize("letter", "ILOUilou")
def test_the_letters_that_the_alphabet_leaves_out_are_not_read_as_digits(letter: str) -> None:
    assert canonical_ulid(ID[:-1] + letter) is None


@pytest.mark.parametrize("text", ["8" + "0" * 25, "Z" * 26])
def test_a_number_of_more_than_128_bits_is_no_id(text: str) -> None:
    assert canonical_ulid(text) is None


@pytest.mark.parametrize("value", [None, 1, 1.5, float("nan"), True, ID.encode(), [ID], {"id": ID}, object()])
def test_only_text_can_be_an_id(value: object) -> None:
    assert canonical_ulid(value) is None


@given(st.text(max_size=30) | st.text(alphabet=CROCKFORD + CROCKFORD.lower() + "ILOU-./ ", min_size=26, max_size=26))
def test_what_comes_out_is_26_letters_of_the_alphabet_and_comes_out_again_unchanged(text: str) -> None:
    found = canonical_ulid(text)
    if found is not None:
        assert found == text.upper()
        assert len(found) == 26
        assert set(found) <= set(CROCKFORD)
        assert found[0] <= "7"
        assert canonical_ulid(found) == found


@given(st.integers(0, 2**128 - 1))
def test_every_number_of_128_bits_written_down_is_an_id(number: int) -> None:
    text = "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))
    assert canonical_ulid(text) == canonical_ulid(text.lower()) == text
