"""Which requests meet which faults."""

import re
from dataclasses import dataclass

from support.fault_answers import Fault
from support.hostile_http import RecordedRequest


@dataclass
class FaultRule:
    """Gives matching requests faults in order of arrival; see `HostilePlatform.on`."""

    method: str
    pattern: str
    faults: tuple[Fault, ...]
    times: int
    every: int | None
    matches: int = 0
    uses: int = 0

    def next_fault(self, request: RecordedRequest) -> Fault | None:
        """Return the fault of a request that has arrived; None if it has none by this rule."""
        if self.method not in {"*", request.method}:
            return None
        if not re.search(self.pattern, request.path) and not re.search(self.pattern, request.target):
            return None
        self.matches += 1
        if self.uses >= self.times or (self.every and self.matches % self.every):
            return None
        self.uses += 1
        return self.faults[(self.uses - 1) % len(self.faults)]
