"""One run of a job: a process of its own, watched, bounded in time, and never left behind.

What a run does is the program's (`seawall.daemon.job`); here it is started, heard and ended. It
tells its steps and at last its outcome as lines of JSON. It is the leader of a session, so that
what it starts ends with it, and it dies with the control process by itself.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from seawall import limits
from seawall.jobs.memory import Ending, Outcome, outcome_of

JOB: Final = "seawall.daemon.job"
_NO_LINE: Final = (ValueError, TypeError, KeyError, OverflowError, RecursionError)
Told = Callable[[str, int, int], None]
"""A step: its words, how much of it is done, and of how much; 0 when nobody knows."""


async def run(program: str, order: Mapping[str, Any], told: Told) -> Outcome:
    """Let a program carry out an order; whoever cancels this ends it and waits for it.

    Args:
        program: a module that takes the order on standard input.
        order: plain values.
        told: told each step; must not raise.

    Returns:
        What the program says it came to, or how it was lost.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", program),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            limit=limits.JOB_LINE_SIZE_BYTES_MAX,
        )
    except OSError as error:
        return _failed("job-not-started", f"Its process cannot be started: {error.strerror}.")
    try:
        async with asyncio.timeout(limits.JOB_TIMEOUT_S):
            return await _heard(process, order, told)
    except TimeoutError:
        minutes = limits.JOB_TIMEOUT_S / 60
        return _failed("job-timed-out", f"It did not end within {minutes:.0f} minutes.")
    finally:
        await asyncio.shield(_end(process))


async def _heard(
    process: asyncio.subprocess.Process, order: Mapping[str, Any], told: Told
) -> Outcome:
    assert process.stdin is not None  # noqa: S101 - for the type checker: all three are pipes
    assert process.stdout is not None  # noqa: S101 - as above
    assert process.stderr is not None  # noqa: S101 - as above
    async with asyncio.TaskGroup() as tasks:
        last_words = tasks.create_task(_tail(process.stderr))
        outcome = tasks.create_task(_lines(process.stdout, told))
        with contextlib.suppress(ConnectionError):
            process.stdin.write(json.dumps(order).encode())
            await process.stdin.drain()
        process.stdin.close()
    status = await process.wait()
    return outcome.result() or _lost(status, last_words.result())


async def _lines(stream: asyncio.StreamReader, told: Told) -> Outcome | None:
    """Every line of a run; its outcome, if it told one."""
    outcome = None
    while True:
        try:
            line = await stream.readline()
        except ValueError:  # longer than any that is meant
            continue
        if not line:
            return outcome
        with contextlib.suppress(*_NO_LINE):
            said = json.loads(line)
            if "ending" in said:
                outcome = outcome_of(said)
            else:
                told(str(said["step"])[:200], int(said["done"]), int(said["of"]))


async def _tail(stream: asyncio.StreamReader) -> str:
    tail = b""
    while chunk := await stream.read(limits.JOB_OUTPUT_SIZE_BYTES_MAX):
        tail = (tail + chunk)[-limits.JOB_OUTPUT_SIZE_BYTES_MAX :]
    return tail.decode("utf-8", "replace")


def _lost(status: int, words: str) -> Outcome:
    last = next((line.strip() for line in reversed(words.splitlines()) if line.strip()), "")
    if status == -signal.SIGKILL:
        how = "It was killed, most often because the machine was out of memory."
    elif status < 0:
        how = f"It crashed (signal {_signal_name(-status)})."
    else:
        how = f"It ended with code {status} and reported no outcome."
    return _failed("job-lost", how + (f" Its last words: {last[:500]}" if last else ""))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _failed(code: str, words: str) -> Outcome:
    remedy = "Seawall retries it automatically; `seawall bots run-job` retries at once."
    return Outcome(Ending.FAILED, code, words, remedy)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Nothing of the run is left, whatever it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limits.JOB_END_TIMEOUT_S):
            await process.wait()
    process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001 - its pipes, at once and not when collected
