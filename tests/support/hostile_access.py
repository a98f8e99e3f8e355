"""Whom the hostile platform lets in, and how often; raises the 401 and the 429 of the API."""

import re
import time
from collections import deque
from collections.abc import Mapping

from support.hostile_operations import ApiError


def check_credentials(headers: Mapping[str, str], scheme: str, token: str) -> None:
    """Raise a 401 unless the headers (names in lower case) carry the token in the scheme; "any" is every scheme."""
    given_scheme, _, given_token = headers.get("authorization", "").partition(" ")
    given = {given_scheme.lower(): given_token} if given_scheme else {}
    if cookie := re.search(r"(?:^|; )cookie=([^;]*)", headers.get("cookie", "")):
        given["cookie"] = cookie[1]
    accepted = ("bearer", "jwt", "cookie") if scheme == "any" else (scheme,)
    if not any(given.get(name) == token for name in accepted):
        raise ApiError(401, "authentication is required")


class RateLimit:
    """Grants so many requests within any second, and refuses the others."""

    def __init__(self, per_second: float, retry_after: str | None) -> None:
        self.per_second = per_second
        self.retry_after = retry_after
        self._granted_at: deque[float] = deque()

    def check(self) -> None:
        """Raise a 429 if too many requests were granted within the last second."""
        now = time.monotonic()
        while self._granted_at and self._granted_at[0] <= now - 1:
            self._granted_at.popleft()
        if len(self._granted_at) >= self.per_second:
            headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
            raise ApiError(429, "too many requests", headers=headers)
        self._granted_at.append(now)
