"""Reads every log record while tests run, and keeps those that contain a secret."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from support.hostile_platform import SECRET, TOKEN

# Those that log much are listened to directly and propagate nothing, so that pytest need not capture it all.
LOGGERS = ("", "httpx", "httpcore")


class LogWatch(logging.Handler):
    """Counts the log records, and keeps the texts of those with a secret in `leaks`."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.leaks: list[str] = []
        self.records = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.records += 1
        text = record.getMessage()
        if TOKEN in text or SECRET in text:
            self.leaks.append(text)

    @contextmanager
    def watching(self) -> Iterator["LogWatch"]:
        loggers = [logging.getLogger(name) for name in LOGGERS]
        before = [(logger.level, logger.propagate) for logger in loggers]
        for logger in loggers:
            logger.setLevel(logging.DEBUG)
            logger.propagate = False
            logger.addHandler(self)
        try:
            yield self
        finally:
            for logger, (level, propagate) in zip(loggers, before, strict=True):
                logger.removeHandler(self)
                logger.setLevel(level)
                logger.propagate = propagate
