"""A local platform to try everything on; shares no code with the client, so it can judge it.

Examples
--------
>>> from versori_magics.sandbox import Sandbox
>>> with Sandbox(connections=250) as sandbox:  # doctest: +SKIP
...     print(sandbox.url, sandbox.organisation, sandbox.token)
"""

from versori_magics.sandbox.server import Sandbox, SandboxUnavailableError

__all__ = ["Sandbox", "SandboxUnavailableError"]
