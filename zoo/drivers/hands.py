"""What a stand-in's hands do: a seeded stream of deeds, and xdotool to carry them out."""

import random
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_TIMEOUT_S = 30
_HOME_SHARE = 0.5
_WORDS = (
    "hello",
    "a",
    "question",
    "about",
    "your",
    "article",
    "the",
    "picture",
    "is",
    "lovely",
    "thanks",
    "when",
    "will",
    "you",
    "write",
    "more",
    "about",
    "zebras",
    "and",
    "lions",
)


@dataclass(frozen=True)
class Deed:
    """Something a person does.

    Attributes:
        orders: of xdotool, one call each.
        dwell_s: what the person does afterwards: look.
        aims: whether it should bring another page.
    """

    orders: tuple[tuple[str, ...], ...]
    dwell_s: float
    aims: bool = False


def deeds(
    chance: random.Random, base: str, size: tuple[int, int], *, typed: bool
) -> Iterator[Deed]:
    """Deeds without end.

    Args:
        chance: decides everything.
        base: of the site, as typed into the address bar.
        size: of the window, pixels.
        typed: the visit begins in the address bar; otherwise the page is there already.
    """
    yield Deed((), chance.uniform(0.5, 2.0))
    if typed:
        yield _address(chance, base + entrance(chance))
    else:
        yield Deed((), chance.uniform(2, 4), aims=True)
    while True:
        yield from _choose(chance, base, size)


def entrance(chance: random.Random) -> str:
    """The page that a visit begins with: home, or one from a bookmark or a message."""
    return "/" if chance.random() < _HOME_SHARE else f"/articles/{chance.randrange(200)}"


def _choose(chance: random.Random, base: str, size: tuple[int, int]) -> Iterator[Deed]:
    kind = chance.random()
    if kind < 0.40:
        yield _scroll(chance, size)
        yield _click(chance, size, "1")
    elif kind < 0.55:
        yield _click(chance, size, "1")
    elif kind < 0.65:
        yield Deed((_key("alt+Left"),), _look(chance), aims=True)
    elif kind < 0.70:
        yield _click(chance, size, "2")
        yield Deed((_key("ctrl+Tab"),), _look(chance))
    elif kind < 0.77:
        yield Deed((_key("ctrl+t"),), chance.uniform(0.3, 1))
        yield _address(chance, f"{base}/articles/{chance.randrange(200)}")
    elif kind < 0.83:
        yield from _form(chance, base)
    elif kind < 0.87:
        yield Deed((_key("F5"),), _look(chance), aims=True)
    elif kind < 0.93:
        tabs = tuple(_key("Tab") for _ in range(chance.randint(2, 9)))
        yield Deed((*tabs, _key("Return")), _look(chance), aims=True)
    else:
        yield Deed((_key(chance.choice(("Page_Down", "End", "Home", "space"))),), _look(chance))


def carry_out(wanted: Iterable[Deed], env: dict[str, str], until_s: float) -> int:
    """Do it until the time is over; says how many deeds aimed at a page.

    Args:
        wanted: what to do.
        env: with the DISPLAY.
        until_s: of the monotonic clock.
    """
    aimed = 0
    for deed in wanted:
        for orders in deed.orders:
            xdotool(env, *orders)
        aimed += deed.aims
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            break
        time.sleep(min(deed.dwell_s, left_s))
    return aimed


def xdotool(env: dict[str, str], *orders: str) -> str:
    """What xdotool answers; an order that found nothing to act on answers nothing."""
    ended = subprocess.run(
        ["xdotool", *orders],  # noqa: S607 - xdotool is on PATH
        env=env,
        capture_output=True,
        check=False,
        timeout=_TIMEOUT_S,
        text=True,
    )
    return ended.stdout


def _look(chance: random.Random) -> float:
    return min(12.0, 0.8 + chance.lognormvariate(0.5, 0.6))


def _key(name: str) -> tuple[str, ...]:
    return ("key", "--clearmodifiers", name)


def _type(chance: random.Random, text: str) -> tuple[str, ...]:
    return ("type", "--delay", str(chance.randint(25, 110)), text)


def _address(chance: random.Random, url: str) -> Deed:
    return Deed((_key("ctrl+l"), _type(chance, url), _key("Return")), _look(chance) + 1, aims=True)


def _move(chance: random.Random, size: tuple[int, int]) -> tuple[str, ...]:
    """A curved way to a place in the lower part of the window, where the links are."""
    start = (chance.randrange(size[0]), chance.randrange(size[1]))
    end = (int(size[0] * chance.uniform(0.08, 0.92)), int(size[1] * chance.uniform(0.5, 0.95)))
    bend = (chance.uniform(-80, 80), chance.uniform(-80, 80))
    orders: list[str] = []
    count = chance.randint(8, 20)
    for number in range(1, count + 1):
        part = number / count
        arch = 4 * part * (1 - part)
        place = [
            min(
                size[axis] - 1,
                max(0, int(start[axis] + (end[axis] - start[axis]) * part + bend[axis] * arch)),
            )
            for axis in (0, 1)
        ]
        orders += [
            "mousemove",
            str(place[0]),
            str(place[1]),
            "sleep",
            f"{chance.uniform(0.008, 0.03):.3f}",
        ]
    return tuple(orders)


def _click(chance: random.Random, size: tuple[int, int], button: str) -> Deed:
    return Deed((_move(chance, size), ("click", button)), _look(chance), aims=True)


def _scroll(chance: random.Random, size: tuple[int, int]) -> Deed:
    wheel = (
        "click",
        "--repeat",
        str(chance.randint(1, 8)),
        "--delay",
        str(chance.randint(40, 160)),
        "5",
    )
    return Deed((_move(chance, size), wheel), chance.uniform(0.4, 2.5))


def _form(chance: random.Random, base: str) -> Iterator[Deed]:
    yield _address(chance, f"{base}/contact")
    text = " ".join(chance.choice(_WORDS) for _ in range(chance.randint(4, 14)))
    yield Deed(
        (_type(chance, text), _key("Tab"), _type(chance, "me@example.com")), chance.uniform(0.5, 2)
    )
    yield Deed((_key("Tab"), _key("Return")), _look(chance), aims=True)
