import threading

import pytest

from versori_magics.notebook.form.background_jobs import BackgroundJobs


def test_form_stays_usable_if_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    errors: list[Exception] = []
    done = threading.Event()
    jobs = BackgroundJobs(lambda _: None, errors.append)

    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        assert not jobs.start("Deleting", done.set)
    assert "the operating system allows this process no further thread" in str(errors[0])
    assert not jobs.is_busy
    assert jobs.start("Deleting", done.set)
    assert done.wait(30)
