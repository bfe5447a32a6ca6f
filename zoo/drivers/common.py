"""What all Python drivers share: jobs in, sessions side by side, one line out for each.

A driver runs in the interpreter that has its client, so this imports the standard library alone.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

REQUEST_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Work:
    """One session, as the driver is told.

    Attributes:
        base: `https://HOST:PORT`, no slash at its end.
        steps: of `method`, `path`, `pause_s`, `headers`, `body`.
        options: of the configuration.
        authority: PEM file of the authority to trust.
        cache: folder for what a driver keeps between sessions.
    """

    session: str
    base: str
    seed: int
    cookies: bool
    steps: list[dict[str, Any]]
    options: dict[str, Any]
    authority: str
    cache: str


Send = Callable[[str, str, dict[str, str], bytes], object]
"""Performs one request: method, URL, headers, body."""


def play(perform: "Callable[[Work], int]", side_by_side: int = 16) -> None:
    """Perform the jobs of standard input; each session is reported on standard output.

    Args:
        perform: does one session and says how many requests it made.
        side_by_side: sessions at once.
    """
    told = json.load(sys.stdin)
    lock = threading.Lock()

    def one(job: dict[str, Any]) -> None:
        work = Work(
            job["session"],
            job["base"],
            job["seed"],
            job["cookies"],
            job["steps"],
            told["options"],
            told["authority"],
            told["cache"],
        )
        started_s, requests, problem = time.time(), 0, ""
        try:
            requests = perform(work)
        except BaseException as error:  # noqa: BLE001 - a client may fail in any way
            problem = f"{type(error).__name__}: {error}"[:200]
        line = {
            "session": work.session,
            "requests": requests,
            "start_s": started_s,
            "problem": problem,
        }
        with lock:
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()

    with ThreadPoolExecutor(max(1, min(side_by_side, len(told["jobs"])))) as pool:
        list(pool.map(one, told["jobs"]))


def scripted(work: Work, send: Send) -> int:
    """Send the steps of a session one after another; failures of single requests are counted too.

    Raises:
        RuntimeError: no request at all came through.
    """
    done, last = 0, ""
    for step in work.steps:
        time.sleep(step["pause_s"])
        try:
            send(
                step["method"],
                work.base + step["path"],
                dict(step["headers"]),
                step["body"].encode(),
            )
            done += 1
        except Exception as error:  # noqa: BLE001 - as above: counted, and said if nothing came
            last = f"{type(error).__name__}: {error}"
    if not done and work.steps:
        raise RuntimeError(f"no request came through: {last[:160]}")
    return done
