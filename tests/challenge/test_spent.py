"""Used challenges are used once, whoever asks at the same moment; what is counted is bounded.

    python tests/challenge/test_spent.py

replays one answer 100,000 times from 64 threads and prints how many clearances came of it.
"""

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from challenge.workplace import (
    ECHO,
    Workplace,
    answer,
    challenge_in,
    cookie_of,
    opened,
    served,
    told,
)
from clocks import HandClock
from seawall.challenge.passing import solve
from seawall.challenge.pool import Allowance, KernelPool
from seawall.challenge.puzzle import Kernel, key_of, make_kernel
from seawall.challenge.reply import Reply
from seawall.challenge.spent import Spending, SpentSet
from seawall.limits import CHALLENGE_PREFIX_WINDOW_S, CHALLENGE_PUZZLE_TRIES_MAX
from seawall.secret import Secret


def replayed(times: int, threads: int) -> int:
    """Clearances that one answer yields when it is sent `times` times at once."""
    place = Workplace(spent=SpentSet(10))
    page = opened(place)
    sent = answer(*challenge_in(page))
    counter = place.counter(cookie_of(page, ECHO) or "")
    together = threading.Barrier(threads)

    def run(_: int) -> int:
        together.wait()
        replies = [solve(counter, sent) for _ in range(times // threads)]
        return sum(told(reply)["do"] == "go" for reply in replies)

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(run, range(threads)))


def test_one_answer_sent_by_many_threads_grants_once() -> None:
    assert replayed(times=4_000, threads=32) == 1


async def _replayed_over_sockets(socket: Path) -> list[str]:
    place = Workplace()
    async with served(place.tools, socket) as client:
        shown = await client.post("/internal/challenge", headers={"x-seawall-path": "/shop"})
        page = Reply(shown.status_code, tuple(shown.headers.multi_items()), shown.content)
        sent = answer(*challenge_in(page))
        cookies = {"cookie": cookie_of(page, ECHO) or "", "content-type": "application/json"}
        url = "/.well-known/seawall/challenge/solve"
        replies = await asyncio.gather(
            *(client.post(url, content=sent, headers=cookies) for _ in range(100))
        )
    return [reply.json()["do"] for reply in replies]


def test_one_answer_sent_over_many_connections_grants_once(tmp_path: Path) -> None:
    done = asyncio.run(_replayed_over_sockets(tmp_path / "bots.sock"))
    assert sorted(done) == ["again"] * 99 + ["go"]


def test_a_nonce_is_remembered_until_it_ends_and_then_forgotten() -> None:
    spent = SpentSet(2)
    assert spent.spend("a", "net", expires_s=10, now_s=0) is Spending.FIRST
    assert spent.spend("a", "net", expires_s=10, now_s=10) is Spending.AGAIN
    assert spent.spend("b", "net", expires_s=20, now_s=10) is Spending.FIRST
    assert spent.spend("c", "net", expires_s=20, now_s=10) is Spending.FULL
    assert spent.spend("b", "net", expires_s=20, now_s=10) is Spending.AGAIN
    assert spent.spend("c", "net", expires_s=20, now_s=11) is Spending.FIRST
    assert len(spent) == 2


def test_one_network_cannot_keep_others_from_passing() -> None:
    """Without scripts a pass costs a machine two seconds of waiting, in any number at once."""
    spent = SpentSet(10, each=2)

    def spend(nonce: str, prefix: str, now_s: float) -> Spending:
        return spent.spend(nonce, prefix, expires_s=now_s + 600, now_s=now_s)

    assert [spend(f"flood{n}", "a", 0) for n in range(9)].count(Spending.FIRST) == 2
    assert [spend(f"person{n}", f"b{n}", 1) for n in range(8)] == [Spending.FIRST] * 8
    assert spend("flood0", "a", 2) is Spending.AGAIN
    assert spend("late", "c", 3) is Spending.FULL
    assert spend("after", "a", 601) is Spending.FIRST
    assert len(spent) == 9


def test_a_network_gets_its_share_and_the_table_is_bounded() -> None:
    clock = HandClock()
    allowance = Allowance(clock, each=2, networks=2)
    assert [allowance.may_take("a") for _ in range(3)] == [True, True, False]
    assert [allowance.may_take(name) for name in "bcb"] == [True, False, True]
    clock.time_s += CHALLENGE_PREFIX_WINDOW_S
    assert allowance.may_take("c")


def test_the_pool_fills_to_its_size_and_again_after_a_fault() -> None:
    made = iter(range(1_000))

    def make() -> Kernel:
        number = next(made)
        if number == 1:
            raise MemoryError("injected")
        return Kernel(number.to_bytes(16, "big"), Secret(b""))

    pool = KernelPool(make, size=3)
    assert pool.take() is None
    pool.start()
    assert pool.wait_ready(3, 10)
    taken = [pool.take() for _ in range(3)]
    assert len({kernel.salt for kernel in taken if kernel}) == 3
    assert pool.wait_ready(3, 10)
    assert len(pool) == 3
    pool.stop()


def test_a_kernel_can_be_found_by_trying_all_counters() -> None:
    kernel = make_kernel(lambda size: bytes(range(size)))
    keys = [key_of(kernel.salt, counter) for counter in range(CHALLENGE_PUZZLE_TRIES_MAX)]
    assert keys.count(kernel.key.reveal()) == 1
    assert "redacted" in repr(kernel)


def test_each_counter_is_chosen() -> None:
    numbers = iter(range(2**16))
    chosen = {
        int.from_bytes(next(numbers).to_bytes(2, "big"), "big") % CHALLENGE_PUZZLE_TRIES_MAX
        for _ in range(2**16)
    }
    assert chosen == set(range(CHALLENGE_PUZZLE_TRIES_MAX))
    assert 2**16 % CHALLENGE_PUZZLE_TRIES_MAX == 0


@pytest.mark.parametrize("timeout_s", [0.0])
def test_an_empty_pool_says_so_at_once(timeout_s: float) -> None:
    assert not KernelPool(lambda: Kernel(b"", Secret(b""))).wait_ready(1, timeout_s)


if __name__ == "__main__":
    sys.stdout.write(f"{replayed(times=100_000, threads=64)} of 100,000 replays granted\n")
