"""Puzzles computed ahead, and how many of them one network may take.

A kernel costs some milliseconds of Argon2id, so none is computed while a visitor waits: one thread
of low priority keeps a bounded pool full and sleeps otherwise. An empty pool is an ordinary answer
(`take` gives None, the browser asks again or goes on without scripts): a flood costs no more
processor time than the pool's thread takes.
"""

import math
import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

import structlog

from seawall.challenge.puzzle import Kernel
from seawall.clock import Clock
from seawall.limits import (
    CHALLENGE_POOL_ENTRIES_MAX,
    CHALLENGE_PREFIX_WINDOW_S,
    CHALLENGE_PREFIXES_MAX,
    CHALLENGE_PUZZLES_PER_PREFIX_MAX,
)

_NICE: Final = 10
"""Serving challenges goes before computing new ones (Linux gives each thread its own)."""
_FAULT_PAUSE_S: Final = 1.0
"""A machine short of memory gets time before the next try."""
_log: Final = structlog.get_logger("seawall.challenge")


class Kernels(Protocol):
    """Where puzzles come from."""

    def take(self) -> Kernel | None:
        """A kernel that nobody else gets, or None when there is none now. Does not wait."""
        ...


class KernelPool:
    """A bounded pool of kernels, filled by a thread between `start` and `stop`."""

    def __init__(
        self, make: Callable[[], Kernel], *, size: int = CHALLENGE_POOL_ENTRIES_MAX
    ) -> None:
        self._make = make
        self._size = size
        self._ready: deque[Kernel] = deque()
        self._wake = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._fill, name="seawall-puzzles", daemon=True)

    def start(self) -> None:
        """Begin to fill."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; waits for the kernel it is computing."""
        with self._wake:
            self._stopped = True
            self._wake.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def take(self) -> Kernel | None:
        """See `Kernels.take`."""
        with self._wake:
            kernel = self._ready.popleft() if self._ready else None
            self._wake.notify_all()
        return kernel

    def wait_ready(self, count: int, timeout_s: float) -> bool:
        """Whether `count` kernels are ready within the time; for start-up and tests."""
        with self._wake:
            return self._wake.wait_for(
                lambda: self._stopped or len(self._ready) >= min(count, self._size), timeout_s
            )

    def __len__(self) -> int:
        return len(self._ready)

    def _fill(self) -> None:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        while self._has_room():
            try:
                kernel = self._make()
            except Exception as error:  # noqa: BLE001 - a fault here must not end the pool
                _log.warning("puzzle-not-made", error=str(error))
                with self._wake:
                    self._wake.wait_for(lambda: self._stopped, _FAULT_PAUSE_S)
                continue
            with self._wake:
                self._ready.append(kernel)
                self._wake.notify_all()

    def _has_room(self) -> bool:
        """Wait until a kernel is missing; False when the pool was stopped."""
        with self._wake:
            self._wake.wait_for(lambda: self._stopped or len(self._ready) < self._size)
            return not self._stopped


class Allowance:
    """Puzzles that each network may still take in the current window."""

    def __init__(
        self,
        clock: Clock,
        *,
        each: int = CHALLENGE_PUZZLES_PER_PREFIX_MAX,
        networks: int = CHALLENGE_PREFIXES_MAX,
    ) -> None:
        self._clock = clock
        self._each = each
        self._networks = networks
        self._taken: dict[str, int] = {}
        self._began_s = clock.monotonic_s()

    def may_take(self, prefix: str) -> bool:
        """Count one puzzle for `prefix`; False when its share, or the table, is used up."""
        now_s = self._clock.monotonic_s()
        if now_s - self._began_s >= CHALLENGE_PREFIX_WINDOW_S:
            self._taken, self._began_s = {}, now_s
        taken = self._taken.get(prefix, 0)
        if taken >= self._each or (taken == 0 and len(self._taken) >= self._networks):
            return False
        self._taken[prefix] = taken + 1
        return True

    def give_back(self, prefix: str) -> None:
        """Count one puzzle less for `prefix`: it was allowed, and there was none."""
        left = self._taken.pop(prefix, 0) - 1
        if left > 0:
            self._taken[prefix] = left

    def left_s(self) -> int:
        """Whole seconds until the next window, at least one."""
        passed_s = self._clock.monotonic_s() - self._began_s
        return max(1, math.ceil(CHALLENGE_PREFIX_WINDOW_S - passed_s))
