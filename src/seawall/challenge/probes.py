"""What the page's script looks at in the browser: twelve bits, set by `static/script.js`.

After the detectors of BotD (MIT). Anyone can send any bits, and a clean result proves nothing: it
is one signal among others, and evidence only where it admits automation. The bits travel inside
the signed clearance, so that the score can use them on later requests.
"""

from enum import IntFlag
from typing import Any

from seawall.limits import CLEARANCE_PROBES_MAX


class Probe(IntFlag):
    """One oddity each; the script numbers them in the same order."""

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
    """Parts of Node.js are visible."""


def read(value: Any) -> int | None:
    """Probes as a browser sent them; None when that is no whole number of twelve bits."""
    if type(value) is int and 0 <= value <= CLEARANCE_PROBES_MAX:
        return value
    return None
