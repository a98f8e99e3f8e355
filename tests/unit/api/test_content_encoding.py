import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from versori_magics.api.content_encoding import Undecodable, decode_body

LIMIT = 1_000_000
BODY = b'{"items": []}'


def problem_of(body: bytes, *encodings: str) -> str:
    decoded = decode_body(body, encodings, LIMIT)
    assert isinstance(decoded, Undecodable)
    return decoded.reason


@pytest.mark.parametrize("encodings", [(), ("identity",), ("", " Identity ", "identity")])
def test_body_without_an_encoding_is_returned_as_it_is(encodings: tuple[str, ...]) -> None:
    assert decode_body(BODY, encodings, LIMIT) == BODY


@pytest.mark.parametrize("encodings", [("gzip",), ("GZip ",), ("x-gzip",), ("identity", "gzip")])
def test_gzip_body_is_decoded(encodings: tuple[str, ...]) -> None:
    assert decode_body(gzip.compress(BODY), encodings, LIMIT) == BODY


@given(st.binary())
def test_decoding_gzip_returns_what_was_compressed(body: bytes) -> None:
    assert decode_body(gzip.compress(body), ["gzip"], LIMIT) == body


@given(st.binary())
def test_decoding_never_fails(body: bytes) -> None:
    decoded = decode_body(body, ["gzip"], LIMIT)
    assert isinstance(decoded, Undecodable) or len(decoded) <= LIMIT


@pytest.mark.parametrize("encodings", [("gzip", "gzip"), ("gzip", "identity", "gzip"), ("gzip",) * 1_000])
def test_more_than_one_encoding_is_an_error_that_says_so(encodings: tuple[str, ...]) -> None:
    bomb = gzip.compress(gzip.compress(b"0" * 10_000))
    assert "content encodings, and only one gzip is supported" in problem_of(bomb, *encodings)


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "compress", "gzip;q=1", "x" * 9_999])
def test_encoding_that_was_not_asked_for_is_an_error_that_names_it(encoding: str) -> None:
    reason = problem_of(zlib.compress(BODY), encoding)
    assert f"content encoding '{encoding[:40]}" in reason
    assert len(reason) < 150


def test_encoding_of_an_empty_body_does_not_matter() -> None:
    assert decode_body(b"", ["gzip", "br"], LIMIT) == b""


def test_body_may_be_as_long_as_the_limit_and_no_longer() -> None:
    assert decode_body(gzip.compress(b"0" * LIMIT), ["gzip"], LIMIT) == b"0" * LIMIT
    assert problem_of(gzip.compress(b"0" * (LIMIT + 1)), "gzip") == "the body is longer than 1,000,000 bytes"


def test_small_body_that_would_become_a_large_one_is_not_decoded_beyond_the_limit() -> None:
    bomb = gzip.compress(bytes(30 * LIMIT), 1)
    tracemalloc.start()
    try:
        assert "longer than" in problem_of(bomb, "gzip")
        assert tracemalloc.get_traced_memory()[1] < 5 * LIMIT
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (BODY, "is broken"),
        (gzip.compress(BODY)[:-1], "has no end"),
        (gzip.compress(BODY)[:15], "has no end"),
        (gzip.compress(BODY)[:-8] + bytes(8), "is broken"),
        (gzip.compress(BODY) + b"x", "continues after its end"),
        (gzip.compress(BODY) * 2, "continues after its end"),
    ],
)
def test_damaged_gzip_is_an_error(body: bytes, reason: str) -> None:
    assert reason in problem_of(body, "gzip")
