"""What Seawall's scripts look at in a browser: one bit each.

The scripts are `web/probes.js` and, with bits of its own, `web/page_probe.js`. After the detectors
of BotD (MIT), and measured on real drivers. Anyone can send any bits, and a clean result proves
nothing: it is one signal among others, and evidence only where it admits automation. A challenge
asks for the first twelve, which travel inside the signed clearance; the page probe asks for all,
and what it finds is the feature `page-probe`.
"""

from enum import IntFlag
from typing import Final


class Probe(IntFlag):
    """One oddity each; the scripts number them in the same order."""

    WEBDRIVER = 1
    """`navigator.webdriver` is true: the browser itself says that it is driven."""
    HEADLESS_NAME = 2
    """The user agent names a browser without a window, or Electron."""
    DRIVER_GLOBALS = 4
    """Properties that automation tools leave on window or document."""
    NO_LANGUAGES = 8
    """`navigator.languages` is empty."""
    NO_PLUGINS = 16
    """A desktop Chromium without its built-in PDF viewer."""
    PRODUCT_SUB = 32
    """`navigator.productSub` of another engine than the user agent's."""
    EVAL_LENGTH = 64
    """Native functions print as in another engine than the user agent's."""
    NO_WINDOW = 128
    """The window has no outer size."""
    NOTIFICATIONS = 256
    """Two ways to ask for the notification permission disagree."""
    NO_ROUND_TRIP = 512
    """The network has a round trip of exactly zero."""
    SOFTWARE_RENDERER = 1024
    """Graphics are drawn by the processor; common in virtual machines, also people's."""
    PROCESS = 2048
    """Node.js is visible: `process` with its version, which no page brings along."""
    WEBDRIVER_HIDDEN = 4096
    """`navigator.webdriver` was removed, or is not the browser's own any more."""
    WORKER_AGENT = 8192
    """A worker names another browser than its page: the name was changed for the page only."""
    LISTENED = 16384
    """Something reads the console as it is written: a driver, or developer tools."""
    NO_POINTER = 32768
    """Neither mouse nor touch, as on a server; also a television."""
    WINDOW = 65536
    """The window does not fit its screen, or the screen is 800 by 600."""


DRIVEN: Final = (
    Probe.WEBDRIVER
    | Probe.HEADLESS_NAME
    | Probe.DRIVER_GLOBALS
    | Probe.PROCESS
    | Probe.WEBDRIVER_HIDDEN
    | Probe.WORKER_AGENT
)
"""A browser that shows one of these is driven by a program, or hides that it is."""
ODD: Final = (
    Probe.NO_LANGUAGES
    | Probe.NO_PLUGINS
    | Probe.PRODUCT_SUB
    | Probe.EVAL_LENGTH
    | Probe.NOTIFICATIONS
    | Probe.LISTENED
    | Probe.NO_POINTER
    | Probe.WINDOW
)
"""Seldom with people. Common with them are the others: no size yet, no delay, no graphics card."""
CODE_DRIVEN: Final = 1
"""Of the feature `page-probe`."""


def code_of(bits: int) -> int:
    """The feature `page-probe`: 0 nothing told, 1 driven, 2 one oddity, 3 several."""
    if bits & DRIVEN:
        return CODE_DRIVEN
    odd = (bits & ODD).bit_count()
    return CODE_DRIVEN + min(odd, 2) if odd else 0
