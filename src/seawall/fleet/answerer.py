"""How a node answers what control asks: one search of its records at a time, off the agent's loop.

Nobody waits for it but whoever asked: questions wait in a short queue, a search has a thread of its
own and ends in time, and afterwards the node rests as long as it searched, so that a flood of
questions takes half of one thread at most. What cannot be answered in time is not answered.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from seawall import limits
from seawall.api.record_desk import Asked, SampleQuestion
from seawall.clock import Clock
from seawall.errors import SeawallError
from seawall.fleet.questions import RecordAnswer, SampleAnswer
from seawall.telemetry.records import search
from seawall.telemetry.samples import pack, read_recent

_SEARCH_SHARE: Final = 0.8
"""Of the time that is left; the rest is for the way back."""
Found = RecordAnswer | SampleAnswer
Send = Callable[[Asked, Found], Awaitable[None]]


class Answerer:
    """Answers of one node.

    Args:
        access_log: its current file of access records.
        clock: of the machine.
        tell: told what people should know.
    """

    def __init__(self, access_log: Path, clock: Clock, tell: Callable[[str, str], None]) -> None:
        self._access_log = access_log
        self._clock = clock
        self._tell = tell
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._queue: asyncio.Queue[tuple[Asked, float, Send]] = asyncio.Queue(
            limits.RECORD_QUESTIONS_QUEUED_MAX
        )

    def ask(self, question: Asked, send: Send) -> None:
        """Take a question, unless it was taken before or too many wait; never waits."""
        if question.id in self._seen:
            return
        self._seen[question.id] = None
        while len(self._seen) > limits.RECORD_QUESTIONS_KEPT_MAX:
            self._seen.popitem(last=False)
        end_s = self._clock.monotonic_s() + question.left_s
        try:
            self._queue.put_nowait((question, end_s, send))
        except asyncio.QueueFull:
            self._tell("question-passed-over", f"Too many questions wait: {question.id}.")

    async def run(self) -> None:
        """Answer until cancelled."""
        threads = ThreadPoolExecutor(1, thread_name_prefix="records")
        try:
            while True:
                question, end_s, send = await self._queue.get()
                began_s = self._clock.monotonic_s()
                if began_s >= end_s:
                    continue
                answer = await self._search(threads, question, end_s - began_s)
                if answer is not None:
                    await send(question, answer)
                await self._clock.sleep(self._clock.monotonic_s() - began_s)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)

    async def _search(
        self, threads: ThreadPoolExecutor, question: Asked, left_s: float
    ) -> Found | None:
        patience_s = min(left_s * _SEARCH_SHARE, limits.RECORD_SEARCH_TIMEOUT_S)
        last_s = self._clock.monotonic_s() + patience_s
        cancelled = False

        def go_on() -> bool:
            return not cancelled and self._clock.monotonic_s() < last_s

        def look() -> Found:
            if isinstance(question, SampleQuestion):
                recent = read_recent(self._access_log, self._clock.now_s())
                return SampleAnswer(pack(recent, question.wanted, go_on))
            found = search(self._access_log, question.request_id, go_on)
            return RecordAnswer(found.line, found.whole, found.since)

        try:
            return await asyncio.get_running_loop().run_in_executor(threads, look)
        except SeawallError as error:
            self._tell("question-refused", error.message)
            return None
        finally:
            cancelled = True  # when this node ends: the thread must not hold it up
