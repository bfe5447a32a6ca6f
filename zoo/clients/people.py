"""Stand-ins for people: two engines, and the ways people set them up."""

from zoo.kinds import Configuration, Kind

_NEEDS = ("Xvfb", "xdotool", "openbox", "certutil")
_WAYS: "tuple[tuple[str, dict[str, object], float], ...]" = (
    ("", {}, 3.0),
    (" private", {"private": True}, 0.8),
    (" without cookies", {"cookies": False}, 0.8),
    (" without scripts", {"scripts": False}, 0.8),
    (" in German", {"language": "de-DE,de,en"}, 0.8),
    (" in Japanese", {"language": "ja,en-US"}, 0.5),
)
_TOOLS = ("chromium", "chromium", " with developer tools", {"tools": True}, 0.5)
"""Somebody who works on a website. What listens to the console then is not a driver."""

ALL = tuple(
    Configuration(
        f"person with {browser}{way}",
        f"person with {browser}",
        Kind.HUMAN,
        "people",
        {"browser": browser, "seconds": 25, **options},
        ("person",),
        (*_NEEDS, program),
        weight,
        1,
    )
    for browser, program, way, options, weight in (
        *(
            (browser, program, *way)
            for browser, program in (("chromium", "chromium"), ("firefox", "firefox-esr"))
            for way in _WAYS
        ),
        _TOOLS,
    )
)
