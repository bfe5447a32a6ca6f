"""What a stand-in's hands do: a seeded stream of deeds, and xdotool to carry them out."""

import random
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

_TIMEOUT_S = 30
_HOME_SHARE, _SHORT_SHARE = 0.5, 0.1
_ARTICLES = 200
HABITS = {
    "": {
        "read on": 40,
        "click": 15,
        "back": 9,
        "forward": 2,
        "other tab": 5,
        "new tab": 7,
        "form": 6,
        "reload": 4,
        "whole reload": 1,
        "keys": 6,
        "look": 6,
    },
    "keyboard": {"keys": 50, "look": 25, "back": 8, "forward": 3, "reload": 4, "address": 10},
    "addresses": {"address": 45, "new tab": 20, "look": 15, "read on": 20},
    "reloads": {"reload": 50, "whole reload": 10, "look": 20, "read on": 20},
}
"""What people do next, by what sort they are: names of `_DEEDS` and how often."""
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
class Manner:
    """How somebody goes about it.

    Attributes:
        habit: a key of `HABITS`.
        pace: times as long as usual is looked at things.
    """

    habit: str = ""
    pace: float = 1.0


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
    chance: random.Random,
    base: str,
    size: tuple[int, int],
    *,
    typed: bool,
    manner: Manner = Manner(),
) -> Iterator[Deed]:
    """Deeds without end.

    Args:
        chance: decides everything.
        base: of the site, as typed into the address bar.
        size: of the window, pixels.
        typed: the visit begins in the address bar; otherwise the page is there already.
        manner: of the person.
    """
    yield Deed((), chance.uniform(0.5, 2.0))
    if typed:
        yield _address(chance, base + entrance(chance))
    else:
        yield Deed((), chance.uniform(2, 4), aims=True)
    habits = HABITS[manner.habit]
    while True:
        (name,) = chance.choices(list(habits), list(habits.values()))
        for deed in _DEEDS[name](chance, base, size):
            yield replace(deed, dwell_s=deed.dwell_s * manner.pace)


def entrance(chance: random.Random) -> str:
    """The page that a visit begins with: home, or one from a bookmark or a message.

    A short address leads to its page by a redirect.
    """
    if chance.random() < _HOME_SHARE:
        return "/"
    kind = "a" if chance.random() < _SHORT_SHARE else "articles"
    return f"/{kind}/{chance.randrange(_ARTICLES)}"


def _elsewhere(chance: random.Random, base: str) -> Deed:
    return _address(chance, f"{base}/articles/{chance.randrange(_ARTICLES)}")


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


def _pressed(*names: str) -> "Make":
    def make(chance: random.Random, _base: str, _size: tuple[int, int]) -> tuple[Deed, ...]:
        return (Deed((_key(chance.choice(names)),), _look(chance), aims=True),)

    return make


def _tabbed(chance: random.Random, _base: str, _size: tuple[int, int]) -> tuple[Deed, ...]:
    tabs = tuple(_key("Tab") for _ in range(chance.randint(2, 9)))
    return (Deed((*tabs, _key("Return")), _look(chance), aims=True),)


def _other_tab(chance: random.Random, _base: str, size: tuple[int, int]) -> tuple[Deed, ...]:
    return _click(chance, size, "2"), Deed((_key("ctrl+Tab"),), _look(chance))


def _new_tab(chance: random.Random, base: str, _size: tuple[int, int]) -> tuple[Deed, ...]:
    return Deed((_key("ctrl+t"),), chance.uniform(0.3, 1)), _elsewhere(chance, base)


def _form(chance: random.Random, base: str, _size: tuple[int, int]) -> tuple[Deed, ...]:
    text = " ".join(chance.choice(_WORDS) for _ in range(chance.randint(4, 14)))
    typed = (_type(chance, text), _key("Tab"), _type(chance, "me@example.com"))
    return (
        _address(chance, f"{base}/contact"),
        Deed(typed, chance.uniform(0.5, 2)),
        Deed((_key("Tab"), _key("Return")), _look(chance), aims=True),
    )


Make = Callable[[random.Random, str, tuple[int, int]], tuple[Deed, ...]]
_DEEDS: "dict[str, Make]" = {
    "read on": lambda chance, _, size: (_scroll(chance, size), _click(chance, size, "1")),
    "click": lambda chance, _, size: (_click(chance, size, "1"),),
    "back": _pressed("alt+Left"),
    "forward": _pressed("alt+Right"),
    "other tab": _other_tab,
    "new tab": _new_tab,
    "address": lambda chance, base, _: (_elsewhere(chance, base),),
    "form": _form,
    "reload": _pressed("F5"),
    "whole reload": _pressed("ctrl+F5"),
    "keys": _tabbed,
    "look": _pressed("Page_Down", "End", "Home", "space"),
}
