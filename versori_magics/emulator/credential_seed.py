"""Builds the credentials of seeded connections: valid, never validated, expired or rejected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from versori_magics.emulator import vocabulary
from versori_magics.emulator.credential_encoding import ZERO_TIME
from versori_magics.emulator.models import AuthScheme, Credential

if TYPE_CHECKING:
    from versori_magics.emulator.models import System
    from versori_magics.emulator.random_data import RandomData

# Of 100 credentials, how many are valid, never validated and expired; the others are rejected by their system.
# Credentials of unused connections are expired more often.
CREDENTIAL_STATES_IN_USE = (75, 10, 10)
CREDENTIAL_STATES_UNUSED = (30, 20, 40)


class CredentialBuilder:
    """Builds the credentials of the connections of one organisation.

    Parameters
    ----------
    random : RandomData
        The source of random values.
    """

    def __init__(self, random: RandomData) -> None:
        self._random = random
        self._zero_time_is_unused = True

    def build(self, system: System, age: float, *, unused: bool) -> tuple[Credential, ...]:
        """Return the credentials of one connection: usually one, sometimes none, or one of each auth scheme.

        Parameters
        ----------
        system : System
            The system that they are for.
        age : float
            The age of the connection, in days.
        unused : bool
            Whether nobody uses the connection.
        """
        if self._random.chance(0.03):
            return ()
        auth_schemes: tuple[AuthScheme, ...] = (self._random.choose(system.auth_schemes),)
        if self._random.chance(0.08):
            auth_schemes = system.auth_schemes
        return tuple(self._credential(auth_scheme, age, unused=unused) for auth_scheme in auth_schemes)

    def _credential(self, auth_scheme: AuthScheme, age: float, *, unused: bool) -> Credential:
        errors, expires_at = self._errors_and_expiry(age, unused=unused)
        type_ = self._random.choose(vocabulary.CREDENTIAL_TYPES[auth_scheme.type])
        name = f"{auth_scheme.type} {self._random.generator.randrange(1000)}"
        return Credential(self._random.ulid(age), auth_scheme, type_, name, errors, expires_at)

    def _errors_and_expiry(self, age: float, *, unused: bool) -> tuple[tuple[str, ...] | None, str | None]:
        # Chosen in every case, because otherwise the random sequence, and with it the data of every seed, would change.
        rejected_errors = (self._random.choose(vocabulary.REJECTED_ERRORS),)
        valid, never_validated, expired = CREDENTIAL_STATES_UNUSED if unused else CREDENTIAL_STATES_IN_USE
        state = self._random.generator.randrange(100)
        if state < valid:
            return (), self._future_expiry()
        if state < valid + never_validated:
            return None, None
        if state < valid + never_validated + expired:
            errors = self._random.choose((vocabulary.EXPIRED_ERRORS[:1], vocabulary.EXPIRED_ERRORS))
            return errors, self._random.time(self._random.generator.uniform(1, age))
        return rejected_errors, None

    def _future_expiry(self) -> str | None:
        if self._random.chance(0.5):
            return self._random.time(-self._random.generator.uniform(5, 365))
        if self._zero_time_is_unused:
            self._zero_time_is_unused = False
            return ZERO_TIME
        return None
