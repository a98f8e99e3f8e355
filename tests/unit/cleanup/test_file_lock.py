import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from versori_magics.cleanup import file_lock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("")
    return tmp_path / "file"


@pytest.fixture
def descriptor(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR)
    yield descriptor
    os.close(descriptor)


def test_locked_file_cannot_be_locked_again_until_it_is_released(path: Path, descriptor: int) -> None:
    assert not file_lock.is_locked(path)
    assert file_lock.lock(descriptor)
    assert file_lock.is_locked(path)
    other = os.open(path, os.O_RDWR)
    assert not file_lock.lock(other)
    file_lock.unlock(descriptor)
    assert not file_lock.is_locked(path)
    assert file_lock.lock(other)
    os.close(other)
    assert not file_lock.is_locked(path)


def test_look_at_the_same_file_by_the_same_process_does_not_release_the_lock(path: Path, descriptor: int) -> None:
    assert file_lock.lock(descriptor)
    path.read_bytes()
    assert file_lock.is_locked(path)
    assert file_lock.is_locked(path)


def test_file_that_does_not_exist_is_not_locked(tmp_path: Path) -> None:
    assert not file_lock.is_locked(tmp_path / "missing")


def test_many_looks_neither_meet_each_other_nor_keep_a_run_from_starting(path: Path, descriptor: int) -> None:
    ended, looks = threading.Event(), list[bool]()

    def look() -> None:
        while not ended.is_set():
            looks.append(file_lock.is_locked(path))
            time.sleep(0.0005)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    assert not any(looks)
    for _ in range(20):
        assert file_lock.lock(descriptor)
        file_lock.unlock(descriptor)
    ended.set()
    for thread in threads:
        thread.join()


FORK = """
import os, sys, time
from pathlib import Path
from versori_magics.cleanup import file_lock
path = Path(sys.argv[1])
descriptor = os.open(path, os.O_RDWR)
assert file_lock.lock(descriptor)
if os.fork() == 0:  # a child that ends, as a worker of a pool does
    os._exit(0)
os.wait()
print("after a child ended:", file_lock.is_locked(path))
child = os.fork()
if child == 0:
    time.sleep(60)
    os._exit(0)
file_lock.unlock(descriptor)
os.close(descriptor)
print("after the run ended beside a child:", file_lock.is_locked(path))
os.kill(child, 9)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_forked_child_neither_releases_the_lock_nor_keeps_it(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FORK, str(path)], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["after a child ended: True", "after the run ended beside a child: False"]
