"""An emulator of the Versori platform that runs on this machine, known to users as the sandbox.

It shares no code with the client, so that tests can use it to judge the client.

Examples
--------
>>> from versori_magics.emulator import Emulator
>>> with Emulator(connections=250) as emulator:  # doctest: +SKIP
...     print(emulator.url, emulator.organisation, emulator.token)
"""

from versori_magics.emulator.behaviour import Behaviour
from versori_magics.emulator.server import Emulator, EmulatorUnavailableError

__all__ = ["Behaviour", "Emulator", "EmulatorUnavailableError"]
