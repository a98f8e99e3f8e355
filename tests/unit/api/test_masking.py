import base64
import html
import json
import traceback
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from versori_magics.api.auth import MASK, Secret
from versori_magics.api.masking import TokenMask

TOKEN = 'k3y/of+a="test"?&<%41>~1'
JWT = "eyJhbGciOiJSUzI1NiJ9." + "eyJpc3MiOiJodHRwczovL3ZlcnNvcmkuY29tIn0" * 8 + ".c2lnbmF0dXJl-_x"


def characters(form: str) -> Callable[[str], str]:
    """Return a function that writes each character of a text by its code."""
    return lambda text: "".join(form.format(ord(char)) for char in text)


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "upper case": str.upper,
    "JSON": json.dumps,
    "JSON within JSON": lambda text: json.dumps(json.dumps(text)),
    "Go's JSON": lambda text: text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"),
    "JSON codes": characters("\\u{:04x}"),
    "JSON codes in upper case": characters("\\u{:04X}"),
    "JSON codes, escaped twice": characters("\\\\\\\\u{:04x}"),
    "JavaScript codes": characters("\\u{{{:x}}}"),
    "bytes": characters("\\x{:02x}"),
    "URL": lambda text: quote(text, safe=""),
    "URL in lower case": characters("%{:02x}"),
    "URL in upper case": characters("%{:02X}"),
    "URL within a URL": lambda text: quote(quote(text, safe=""), safe=""),
    "HTML": html.escape,
    "HTML codes": characters("&#{};"),
    "HTML codes in hexadecimal": characters("&#x{:X};"),
    "HTML within HTML": lambda text: html.escape(characters("&#{};")(text)),
    "URL within JSON within HTML": lambda text: html.escape(characters("\\u{:04x}")(quote(text, safe=""))),
    "base64": base64_of,
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64 without padding": lambda text: base64_of(text).rstrip("="),
    "base64 within a URL": lambda text: quote(base64_of(text), safe=""),
    "base64 of the header": lambda text: base64_of(f"Bearer {text}"),
    "base64 of more": lambda text: base64_of(f"<{text}> was refused"),
    "base64 of even more": lambda text: base64_of(f"['{text}'"),
    "base64 in lines": lambda text: base64.encodebytes(f"Bearer {text}".encode()).decode(),
    "base64 in lines within JSON": lambda text: json.dumps(base64.encodebytes(text.encode()).decode()),
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal with blanks": lambda text: text.encode().hex(" ").upper(),
    "in lines": lambda text: "\n  ".join((text[:9], text[9:])),
}


@pytest.mark.parametrize("token", [TOKEN, JWT], ids=["key", "JWT"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_token_is_masked_in_each_encoding_in_which_a_server_may_repeat_it(encoding: str, token: str) -> None:
    mask = TokenMask(Secret(token))
    encoded = ENCODINGS[encoding](token)
    text = f"The token {encoded} has expired."
    assert mask.is_needed(text)
    masked = mask.text(text)
    assert masked.startswith("The token")
    assert masked.endswith("has expired.")
    assert MASK in masked
    assert len(masked) < len("The token  has expired.") + 45  # what base64 has of the text around the token remains
    assert not mask.is_needed(masked)


def test_text_with_two_encodings_of_the_token_contains_neither() -> None:
    mask = TokenMask(Secret(TOKEN))
    text = " and ".join((ENCODINGS["base64"](TOKEN), TOKEN, ENCODINGS["JSON codes"](TOKEN), ENCODINGS["URL"](TOKEN)))
    masked = mask.text(text)
    assert masked.count(MASK) == 4
    assert not mask.is_needed(masked)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a plain name",
        "50 % & <b> \\u0041 \\n C:\\temp %41 &#65; &amp;",
        TOKEN[:-1],
        TOKEN[1:],
        "\\" * 99,
        "%25" * 99,
    ],
)
def test_text_without_the_token_is_returned_unchanged(text: str) -> None:
    assert TokenMask(Secret(TOKEN)).text(text) == text
    assert not TokenMask(Secret(TOKEN)).is_needed(text)


@pytest.mark.parametrize("token", ["", "a", "7 chars"])
def test_short_word_that_is_used_as_a_token_is_not_masked(token: str) -> None:
    assert TokenMask(Secret(token)).text(f"a {token} is not found") == f"a {token} is not found"


def test_numeric_token_is_masked_in_a_number_of_a_document() -> None:
    mask = TokenMask(Secret("1234567890"))
    document = {"code": 1234567890, "count": 12, "ok": True, "none": None, "share": 0.5, "1234567890": ["1234567890 x"]}
    assert mask.document(document) == {
        "code": MASK,
        "count": 12,
        "ok": True,
        "none": None,
        "share": 0.5,
        MASK: [f"{MASK} x"],
    }


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8), st.sampled_from(sorted(ENCODINGS)))
def test_any_token_is_masked_in_a_document(token: str, encoding: str) -> None:
    mask = TokenMask(Secret(token))
    (masked,) = mask.document([f"{ENCODINGS[encoding](token)}"])  # type: ignore[misc]
    assert not mask.is_needed(str(masked))


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8), st.integers(0, 8))
def test_base64_of_any_token_within_a_longer_text_is_masked(token: str, offset: int) -> None:
    masked = TokenMask(Secret(token)).text(base64_of(f"{'x' * offset}{token}y"))
    assert MASK in masked
    assert len(masked) <= len(base64_of("x" * offset)) + len(MASK) + 4


def test_mask_does_not_show_the_token() -> None:
    mask = TokenMask(Secret(TOKEN))
    shown = repr(mask) + str(vars(mask))
    assert TOKEN not in shown
    assert base64_of(TOKEN)[:8] not in shown
    captured = traceback.TracebackException.from_exception(_failure_of(mask), capture_locals=True)
    frames = [frame for frame in captured.stack if frame.filename.endswith("/masking.py")]
    assert frames
    assert TOKEN not in "".join(str(frame.locals) for frame in frames)


def _failure_of(mask: TokenMask) -> Exception:
    try:
        mask.text(None)  # type: ignore[arg-type]
    except Exception as error:  # noqa: BLE001 - any, for its traceback
        return error
    raise AssertionError
