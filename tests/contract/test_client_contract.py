"""The client's own requests, and the answers it understands, held against the description of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from versori_magics.errors import ApiError, NotFoundError
from versori_magics.platform.client import Client
from versori_magics.platform.survey import survey
from versori_magics.platform.usage import read_usage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from versori_magics.sandbox import Sandbox


class Watched(httpx.HTTPTransport):
    """A real transport, each answer of which is held against the description."""

    def __init__(self, contract: Any) -> None:
        super().__init__(verify=False)
        self.contract = contract

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        response.request = request
        self.contract.hook(response)
        return response


@pytest.fixture
def client(sandbox: Sandbox, contract: Any) -> Iterator[Client]:
    with Client(sandbox.url, sandbox.organisation, sandbox.token, transport=Watched(contract)) as made:
        yield made


def test_every_read_of_the_client_fits_the_description(client: Client, sandbox: Sandbox) -> None:
    listed = client.connections()
    assert listed.confirmed
    assert {client.connection(one.id).id for one in listed.items[:3]} == {one.id for one in listed.items[:3]}
    systems = client.systems().items
    assert client.connections(system_id=systems[0].id).items
    assert client.end_users("cust")
    assert read_usage(client).problems == ()
    assert len(survey(client, [one.id for one in listed.items])) == len(listed.items)


def test_a_list_in_many_pages_fits_the_description_and_is_whole(client: Client) -> None:
    client._page_sizes["connections"] = 20
    assert len(client.connections().items) == len({one.id for one in client.connections().items}) == 250


def test_every_end_of_a_delete_fits_the_description(client: Client, sandbox: Sandbox) -> None:
    usage = read_usage(client)
    ids = [one.id for one in client.connections().items]
    kinds = {kind: next(key for key in ids if usage.of(key).kind == kind) for kind in ("unused", "static", "dynamic")}
    client.delete(kinds["unused"])
    client.delete(kinds["static"])  # the platform does not refuse: that is the danger
    with pytest.raises(ApiError, match="in use"):
        client.delete(kinds["dynamic"])
    with pytest.raises(NotFoundError):
        client.delete(kinds["unused"])
    assert sandbox.deleted == [kinds["unused"], kinds["static"]]
    assert sandbox.broken
