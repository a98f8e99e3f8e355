"""Undo the content encoding of a body, within bounds and without any input or output."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, NamedTuple

from versori_magics.catch import catch
from versori_magics.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

_GZIP_NAMES = {"gzip", "x-gzip"}  # HTTP treats them as equal
_GZIP_WINDOW = 31  # zlib's code for a gzip header and the largest window


class Undecodable(NamedTuple):
    """Why a body cannot be decoded, in words that follow "No complete response from the platform"."""

    reason: str


def decode_body(body: bytes, encodings: Iterable[str], limit: int) -> bytes | Undecodable:
    """Return a body without its content encoding; never more than `limit` bytes are decoded.

    httpx would apply any number of encodings, each to a whole chunk at once, so that a few kilobytes of gzip within
    gzip become gigabytes of memory.

    Parameters
    ----------
    body : bytes
        As received.
    encodings : iterable of str
        The values of the Content-Encoding headers.
    limit : int
        Maximum number of decoded bytes.
    """
    names = [name for name in (encoding.strip().lower() for encoding in encodings) if name not in {"", "identity"}]
    if not names or not body:  # a response without a body may still name an encoding
        return body
    if len(names) > 1:
        return Undecodable(f"the body has {len(names)} content encodings, and only one gzip is supported")
    if names[0] not in _GZIP_NAMES:
        return Undecodable(f"the body has the content encoding {one_line(names[0], 40)!r}, which was not asked for")
    return _gunzip(body, limit)


def too_long(limit: int) -> Undecodable:
    """Return the problem of a body that is longer than `limit` bytes."""
    return Undecodable(f"the body is longer than {limit:,} bytes")


def _gunzip(body: bytes, limit: int) -> bytes | Undecodable:
    decoder = zlib.decompressobj(_GZIP_WINDOW)
    decoded = catch(lambda: decoder.decompress(body, limit + 1), zlib.error)
    if isinstance(decoded, zlib.error):
        return Undecodable("the gzip compression of the body is broken")
    if len(decoded) > limit:
        return too_long(limit)
    if not decoder.eof or decoder.unused_data:
        return Undecodable(f"the gzip data of the body {'continues after its' if decoder.eof else 'has no'} end")
    return decoded
