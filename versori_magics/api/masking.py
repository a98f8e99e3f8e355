"""Masks the token in what a server sends, in each encoding in which a server may repeat it."""

from __future__ import annotations

import base64
import html
import re
from typing import TYPE_CHECKING

from versori_magics.api.auth import MASK, Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHORTEST_MASKED_TOKEN = 8  # characters; a shorter token is not a secret, and masking it would garble the text
_ROUNDS = 8  # encodings of encodings that are looked into; no server nests more
# Escapes of printable ASCII, in JSON and programming languages and in URLs, however often they were escaped again.
_CODE_ESCAPE = re.compile(r"\\+(?:u00|u\{0*|U000000|x)([2-7][0-9a-fA-F])\}?")
_URL_ESCAPE = re.compile(r"%(?:25)*([2-7][0-9a-fA-F])")
_CHARACTERS = {f"{code:02x}": chr(code) for code in range(0x20, 0x80)}


class TokenMask:
    """Replaces a token with ``***``, whatever its case and whatever blanks or line breaks stand within it.

    Found are the token itself, its base64 (also as part of a longer base64 text) and its hexadecimal digits, each also
    with the escapes of JSON, URLs and HTML. A text that contains it in an escaped form is returned unescaped.

    Parameters
    ----------
    token : Secret
        The token.
    """

    def __init__(self, token: Secret) -> None:
        # Secrets, because a traceback that shows local variables must not show them.
        self._forms = tuple(
            {Secret(form) for form in map(_squeeze, _forms(token)) if len(form) >= _SHORTEST_MASKED_TOKEN}
            if len(token.reveal()) >= _SHORTEST_MASKED_TOKEN
            else ()
        )

    def is_needed(self, text: str) -> bool:
        """Tell whether a text contains the token."""
        return any(map(self._is_in, _layers(text)))

    def text(self, text: str) -> str:
        """Return a text without the token."""
        for layer in _layers(text):
            if self._is_in(layer):
                masked = re.sub(self._pattern(), MASK, layer, flags=re.IGNORECASE)
                # Again, because the text may contain the token in another form too.
                return self.text(masked) if masked != layer else text
        return text

    def document(self, value: object) -> object:
        """Return a decoded JSON document without the token in any text, name or number."""
        if isinstance(value, dict):
            return {self.text(name): self.document(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.document(item) for item in value]
        text = str(value)
        masked = self.text(text)
        return value if masked == text else masked

    def _is_in(self, text: str) -> bool:
        squeezed = _squeeze(text)
        return any(form.reveal() in squeezed for form in self._forms)

    def _pattern(self) -> str:
        forms = sorted((form.reveal() for form in self._forms), key=len, reverse=True)
        return "|".join(r"\s*".join(map(re.escape, form)) for form in forms)


def _forms(token: Secret) -> Iterator[str]:
    """Yield the texts in which a server may repeat a token, without the escapes that `_layers` undoes."""
    yield token.reveal()
    *_, unescaped = _layers(token.reveal())  # what is left of a token that itself contains something like an escape
    yield unescaped
    yield token.reveal().encode().hex()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            yield _base64_core(encode(bytes(offset) + token.reveal().encode()).decode(), offset, len(token.reveal()))


def _base64_core(encoded: str, offset: int, length: int) -> str:
    """Return the characters that depend on the token alone, wherever in a longer base64 text it begins."""
    return encoded[-(-offset * 8 // 6) : (offset + length) * 8 // 6]


def _layers(text: str) -> Iterator[str]:
    """Yield a text, and then what is left of it after each decoding that changes it."""
    yield text
    for _ in range(_ROUNDS):
        before = text
        for decode in (_unescape, _unquote, html.unescape):
            decoded = decode(text)
            if decoded != text:
                yield decoded
            text = decoded
        if text == before:
            return


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    text = _CODE_ESCAPE.sub(_character, text)
    for blank in ("\\n", "\\r", "\\t"):
        text = text.replace(blank, " ")
    return text.replace("\\", "")


def _unquote(text: str) -> str:
    return _URL_ESCAPE.sub(_character, text) if "%" in text else text


def _character(escape: re.Match[str]) -> str:
    return _CHARACTERS[escape[1].lower()]


def _squeeze(text: str) -> str:
    return "".join(text.split()).lower()
