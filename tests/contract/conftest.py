"""A running sandbox, and the description of the API to check requests and responses against."""

from collections.abc import Iterator

import httpx
import pytest
from support.openapi_contract import Contract, load_description

from versori_magics.emulator import Emulator


@pytest.fixture(scope="session")
def contract() -> Contract:
    return Contract(load_description())


@pytest.fixture(scope="module")
def _running_emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def emulator(_running_emulator: Emulator) -> Emulator:
    """Return a running emulator in its seeded state."""
    _running_emulator.reset()
    return _running_emulator


@pytest.fixture
def http(emulator: Emulator) -> Iterator[httpx.Client]:
    """Return an HTTP client for the emulator's organisation."""
    headers = {"Authorization": f"Bearer {emulator.token}"}
    base_url = f"{emulator.url}/o/{emulator.organisation}"
    with httpx.Client(base_url=base_url, headers=headers, trust_env=False) as client:
        yield client
