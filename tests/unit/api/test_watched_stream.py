import ssl

import httpcore
import httpx
import pytest

from versori_magics.api.watched_stream import WatchedStream, is_too_early


@pytest.fixture
def stream() -> WatchedStream:
    return WatchedStream(httpcore.MockStream([b"one", b"two"]))


def response_over(stream: object) -> httpx.Response:
    return httpx.Response(200, extensions={"network_stream": stream})


def test_response_is_too_early_if_nothing_was_received_since_the_last_send(stream: WatchedStream) -> None:
    stream.write(b"request")
    assert is_too_early(response_over(stream))
    assert stream.read(9) == b"one"
    assert not is_too_early(response_over(stream))
    stream.write(b"request")
    assert is_too_early(response_over(stream))


def test_encrypted_stream_is_watched_too(stream: WatchedStream) -> None:
    encrypted = stream.start_tls(ssl.create_default_context(), "localhost")
    encrypted.write(b"request")
    assert is_too_early(response_over(encrypted))
    encrypted.read(9)
    assert not is_too_early(response_over(encrypted))


def test_response_of_another_transport_is_not_judged() -> None:
    assert not is_too_early(httpx.Response(200))
    assert not is_too_early(response_over(httpcore.MockStream([])))
