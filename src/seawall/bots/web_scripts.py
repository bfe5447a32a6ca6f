"""Scripts for browsers: fragments that become one closed script each.

The challenge page and the page probe look at a browser with the same probes, so these are written
once. A script leaves no name behind in the page that loads it.
"""

from functools import cache
from importlib import resources


def closed(*fragments: str) -> str:
    """Fragments as one script in a scope of its own."""
    return '(function () {\n  "use strict";\n' + "\n".join(fragments) + "})();\n"


@cache
def probes() -> str:
    """The probes as a fragment: it defines `probes()`."""
    return _read("probes.js")


@cache
def page_probe() -> str:
    """The script that a page may load: tells by itself that its browser is driven by a program."""
    return closed(probes(), _read("page_probe.js"))


def _read(name: str) -> str:
    return resources.files("seawall.bots").joinpath("web", name).read_text("utf-8")
