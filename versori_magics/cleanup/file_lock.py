"""The lock on an open file. Whoever executes a run holds it; the operating system releases it when the process ends.

`fcntl.flock` locks the open file, not its path and not the process. So another descriptor of the same process is
refused too, closing that one releases nothing, and a removed lock file cannot let a second run in, because there is
none. A forked child inherits the open file, and with it the lock: its end releases nothing, and `unlock` releases the
lock even if a child is still alive. If the process is killed and a forked child survives, the lock stays until the
child ends, which is the safe side.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# A look by `is_locked` holds a shared lock for an instant, so `lock` tries again before it gives up.
_WAITS = (0.0, 0.01, 0.03, 0.1)  # seconds

if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 40  # Windows refuses others to read a locked byte, so lock one far behind the end of the file

    def _try_lock(descriptor: int, *, shared: bool) -> bool:  # noqa: ARG001 - Windows has no shared lock here
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

    def unlock(descriptor: int) -> None:
        """Release the lock of an open file."""
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(descriptor: int, *, shared: bool) -> bool:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def unlock(descriptor: int) -> None:
        """Release the lock of an open file."""
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def lock(descriptor: int) -> bool:
    """Lock an open file; return False if somebody else holds its lock.

    Raises
    ------
    OSError
        If the file system has no locks.
    """
    for wait in _WAITS:
        time.sleep(wait)
        if _try_lock(descriptor, shared=False):
            return True
    return False


def is_locked(path: Path) -> bool:
    """Tell whether somebody holds the lock of a file; False if the file cannot be opened.

    Looks of several processes do not disturb each other: on POSIX they share the lock.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _try_lock(descriptor, shared=True)
    except OSError:  # the file system has no locks, so nobody can execute a run there
        return False
    finally:
        os.close(descriptor)
