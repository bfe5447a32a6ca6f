"""Clients of a soak: some connect anew for each request, some keep theirs, one has a long stream.

A kept connection that is closed before an answer begins is no failed request: every client asks
anew then, and what counts is what a fresh connection gets.
"""

import contextlib
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Final

from seawall.clock import Clock
from tools.soak.origin import STREAM_PATH
from tools.soak.plan import PATHS
from tools.soak.promises import OK, Sample

KEPT_PATH: Final = "/keep"
MARK_HEADER: Final = "x-soak"
_HOST: Final = "soak.test"
_ANEW: Final = 2
_KEPT: Final = 2
_PAUSE_ANEW_S: Final = 0.01
_PAUSE_KEPT_S: Final = 0.02
_PAUSE_STREAM_S: Final = 0.2
_TIMEOUT_S: Final = 15.0
_END_S_MAX: Final = 20.0


@dataclass(slots=True)
class Visitors:
    """The clients, and what they saw that nobody has taken yet."""

    port: int
    clock: Clock
    asked_anew: int = 0
    cuts_s: list[float] = field(default_factory=list)
    _samples: list[Sample] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin."""
        work = [self._anew] * _ANEW + [self._kept] * _KEPT + [self._stream]
        self._threads = [threading.Thread(target=one, daemon=True) for one in work]
        for thread in self._threads:
            thread.start()

    def end(self) -> bool:
        """Stop, and wait for the last answers; whether all had gone on until now."""
        all_there = all(thread.is_alive() for thread in self._threads)
        self._stop.set()
        for thread in self._threads:
            thread.join(_END_S_MAX)
        return all_there

    def taken(self) -> list[Sample]:
        """What came since this was called last."""
        with self._lock:
            samples, self._samples = self._samples, []
        return samples

    def one(self, path: str = "/") -> Sample:
        """One request on a connection of its own."""
        connection = self._connection()
        with contextlib.closing(connection):
            began_s = self.clock.monotonic_s()
            try:
                return self._ask(connection, path, {"connection": "close"})
            except (OSError, HTTPException) as error:
                return Sample(began_s, self.clock.monotonic_s(), path, 0, error=repr(error))

    def _anew(self) -> None:
        turn = 0
        while not self._stop.wait(_PAUSE_ANEW_S):
            self._saw(self.one(PATHS[turn % len(PATHS)]))
            turn += 1

    def _kept(self) -> None:
        connection = self._connection()
        while not self._stop.wait(_PAUSE_KEPT_S):
            fresh = connection.sock is None
            began_s = self.clock.monotonic_s()
            try:
                sample = self._ask(connection, KEPT_PATH, {})
            except ConnectionError as error:  # nothing of an answer had come
                connection.close()
                if not fresh:
                    self.asked_anew += 1
                    continue
                sample = self._none(began_s, error)
            except (OSError, HTTPException) as error:
                connection.close()
                sample = self._none(began_s, error)
            self._saw(sample)
        connection.close()

    def _stream(self) -> None:
        while not self._stop.wait(_PAUSE_STREAM_S):
            connection = self._connection()
            with contextlib.closing(connection), contextlib.suppress(OSError, HTTPException):
                connection.request("GET", STREAM_PATH, headers={"host": _HOST})
                answer = connection.getresponse()
                while answer.readline() and not self._stop.is_set():
                    pass
                if self._stop.is_set():
                    return
            self.cuts_s.append(self.clock.monotonic_s())

    def _ask(self, connection: HTTPConnection, path: str, headers: dict[str, str]) -> Sample:
        began_s = self.clock.monotonic_s()
        connection.request("GET", path, headers={"host": _HOST, **headers})
        answer = connection.getresponse()
        mark = answer.getheader(MARK_HEADER) or ""
        error = ""
        try:
            answer.read()
        except (OSError, HTTPException) as cut:
            connection.close()
            error = f"cut in the body: {cut!r}"
        status = 0 if error else answer.status
        return Sample(began_s, self.clock.monotonic_s(), path, status, mark, error)

    def _none(self, began_s: float, error: Exception) -> Sample:
        return Sample(began_s, self.clock.monotonic_s(), KEPT_PATH, 0, error=repr(error))

    def _saw(self, sample: Sample) -> None:
        with self._lock:
            self._samples.append(sample)
        if sample.status != OK:
            time.sleep(_PAUSE_ANEW_S)

    def _connection(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=_TIMEOUT_S)
