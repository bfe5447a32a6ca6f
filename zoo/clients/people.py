"""Stand-ins for people: two engines, and the ways people set them up and use them."""

from zoo.kinds import Configuration, Kind

_NEEDS = ("Xvfb", "xdotool", "openbox", "certutil")
_SECONDS = 25
_WAYS: "tuple[tuple[str, dict[str, object], float], ...]" = (
    ("", {}, 3.0),
    (" private", {"private": True}, 0.8),
    (" without cookies", {"cookies": False}, 0.8),
    (" without scripts", {"scripts": False}, 0.8),
    (" without images", {"images": False}, 0.5),
    (" without referers", {"referers": False}, 0.8),
    (" asking not to be tracked", {"tracking": False}, 0.5),
    (" in German", {"language": "de-DE,de,en"}, 0.8),
    (" in Japanese", {"language": "ja,en-US"}, 0.5),
    (" in Spanish", {"language": "es-MX,es,en-US,en"}, 0.5),
    (" in French alone", {"language": "fr"}, 0.5),
    (" in the dark", {"dark": True}, 0.5),
    (" by keyboard", {"habit": "keyboard"}, 0.8),
    (" typing addresses", {"habit": "addresses"}, 0.8),
    (" reloading", {"habit": "reloads"}, 0.5),
    (" opening bookmarks", {"opens": 3}, 0.8),
    (" coming back", {"visits": 3, "seconds": 15}, 0.8),
    (" reading slowly", {"pace": 4.0, "seconds": 60}, 0.5),
    # Somebody who works on a website. What listens to the console then is not a driver.
    (" with developer tools", {"tools": True}, 0.5),
)
_OF_ONE: "tuple[tuple[str, str, str, dict[str, object], float], ...]" = (
    ("chromium", "chromium", " with a blocker", {"blocks": True}, 0.8),
    ("firefox", "firefox-esr", " that resists fingerprinting", {"resists": True}, 0.8),
)

ALL = tuple(
    Configuration(
        f"person with {browser}{way}",
        f"person with {browser}",
        Kind.HUMAN,
        "people",
        {"browser": browser, "seconds": _SECONDS, **options},
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
        *_OF_ONE,
    )
)
