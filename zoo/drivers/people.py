"""Stand-ins for people: a headed browser on a screen of its own, a keyboard and a mouse.

All input comes from the X server (xdotool), as from a person's hands: no remote protocol is open in
the browser, and nothing looks into the page. So a click may miss, as a person's does.

Options: `browser` (chromium or firefox), `private`, `cookies`, `scripts`, `images`, `referers`,
`tracking` (false asks sites not to), `dark`, `resists` fingerprinting (Firefox), `blocks` what
counts visitors (Chromium), `tools`, `language`, `seconds`, `habit` and `pace` (see `hands.Manner`),
`visits`, `opens` (pages at once as the browser starts).
"""

import json
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoo.drivers import hands
from zoo.drivers.common import Work, play
from zoo.screen import running_screen

_SCREENS = ((1280, 800), (1366, 768), (1440, 900), (1600, 900), (1024, 768), (1920, 1080))
_START_S = 60.0
_POLL_S = 0.2
_RETURNS = 0.2
"""Share of people who close the browser and come back; the second visit has cookies and cache."""
_BREAK_S = (1.0, 8.0)
_DENIED = 2
_BLOCKER = {
    "name": "blocker",
    "version": "1",
    "manifest_version": 3,
    "permissions": ["declarativeNetRequest"],
    "declarative_net_request": {
        "rule_resources": [{"id": "rules", "enabled": True, "path": "rules.json"}]
    },
}
_BLOCKED = ("/beacon", "/probe.js", "/static/photo")
_PREFERENCES_FIREFOX = {
    "browser.aboutwelcome.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage": "about:blank",
    "browser.startup.page": 0,
    "browser.tabs.warnOnClose": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "datareporting.policy.dataSubmissionPolicyBypassNotification": True,
    "termsofuse.bypassNotification": True,
    "app.update.enabled": False,
    "extensions.pocket.enabled": False,
    "browser.urlbar.suggest.searches": False,
}


def main() -> None:
    """Perform sessions one after another; several processes give several people."""
    play(perform, side_by_side=1)


def perform(work: Work) -> int:
    """One visit, or two with a break between; says how many pages were aimed at.

    Raises:
        RuntimeError: no window appeared.
    """
    chance = random.Random(work.seed)
    width, height = chance.choice(_SCREENS)
    with (
        tempfile.TemporaryDirectory(prefix="zoo-person-", ignore_cleanup_errors=True) as folder,
        _screen(width, height) as display,
        _running(["openbox"], _seeing(display)),
    ):
        visits = int(work.options.get("visits", 2 if chance.random() < _RETURNS else 1))
        aimed = 0
        for visit in range(visits):
            if visit:
                time.sleep(chance.uniform(*_BREAK_S))  # away from the computer, for a while
            aimed += _visit(work, chance, Path(folder), _seeing(display), (width, height))
        return aimed


def _seeing(display: str) -> dict[str, str]:
    return {**os.environ, "DISPLAY": display, "LANG": "C.UTF-8", "LIBGL_ALWAYS_SOFTWARE": "1"}


def _visit(
    work: Work, chance: random.Random, folder: Path, env: dict[str, str], size: tuple[int, int]
) -> int:
    browser = str(work.options["browser"])
    command = _chromium(work, folder, size) if browser == "chromium" else _firefox(work, folder)
    opens = int(work.options.get("opens", 1))
    typed = opens == 1 and chance.random() < 0.6
    pages = [work.base + hands.entrance(chance) for _ in range(opens)]
    command += ["about:blank"] if typed else pages
    with _running(command, env):
        window = _window(browser, env)
        hands.xdotool(
            env, "windowsize", window, str(size[0]), str(size[1]), "windowmove", window, "0", "0"
        )
        hands.xdotool(env, "windowfocus", window)
        seconds = float(work.options.get("seconds", 30)) * chance.uniform(0.7, 1.4)
        manner = hands.Manner(
            str(work.options.get("habit", "")), float(work.options.get("pace", 1))
        )
        deed = hands.deeds(chance, work.base, size, typed=typed, manner=manner)
        return hands.carry_out(deed, env, until_s=time.monotonic() + seconds)


def _chromium(work: Work, folder: Path, size: tuple[int, int]) -> list[str]:
    profile = folder / "chromium"
    if not profile.exists():
        (profile / "Default").mkdir(parents=True)
        wanted = {
            "javascript": work.options.get("scripts", True),
            "cookies": work.options.get("cookies", True),
            "images": work.options.get("images", True),
        }
        settings = {name: _DENIED for name, allowed in wanted.items() if not allowed}
        preferences: dict[str, Any] = {
            "profile": {"default_content_setting_values": settings, "exit_type": "Normal"},
            "intl": {"accept_languages": work.options.get("language", "en-US,en")},
            "credentials_enable_service": False,
            "enable_referrers": work.options.get("referers", True),
            "enable_do_not_track": not work.options.get("tracking", True),
        }
        (profile / "Default" / "Preferences").write_text(json.dumps(preferences))
    switches = {
        "private": "--incognito",
        "tools": "--auto-open-devtools-for-tabs",
        "dark": "--force-dark-mode",
    }
    more = [switch for name, switch in switches.items() if work.options.get(name)]
    if work.options.get("blocks"):
        more.append(f"--load-extension={_blocker(folder)}")
    return [
        "/usr/bin/chromium",
        "--no-sandbox",
        "--no-first-run",
        "--no-default-browser-check",
        "--disable-background-networking",
        "--disable-component-update",
        "--password-store=basic",
        "--disable-gpu",
        f"--user-data-dir={profile}",
        f"--window-size={size[0]},{size[1]}",
        "--window-position=0,0",
        *more,
    ]


def _blocker(folder: Path) -> Path:
    """An extension that keeps away what counts visitors, as blockers of advertisements do."""
    made = folder / "blocker"
    if not made.exists():
        made.mkdir()
        rules = [
            {"id": number, "action": {"type": "block"}, "condition": {"urlFilter": path}}
            for number, path in enumerate(_BLOCKED, 1)
        ]
        (made / "manifest.json").write_text(json.dumps(_BLOCKER))
        (made / "rules.json").write_text(json.dumps(rules))
    return made


def _firefox(work: Work, folder: Path) -> list[str]:
    profile = folder / "firefox"
    if not profile.exists():
        shutil.copytree(Path(work.cache) / "firefox", profile)
        told = work.options
        preferences: dict[str, object] = {
            **_PREFERENCES_FIREFOX,
            "intl.accept_languages": told.get("language", "en-US,en"),
            "javascript.enabled": told.get("scripts", True),
            "network.cookie.cookieBehavior": 5 if told.get("cookies", True) else _DENIED,
            "permissions.default.image": 1 if told.get("images", True) else _DENIED,
            "network.http.sendRefererHeader": 2 if told.get("referers", True) else 0,
            "privacy.globalprivacycontrol.enabled": not told.get("tracking", True),
            "ui.systemUsesDarkTheme": int(bool(told.get("dark"))),
            "privacy.resistFingerprinting": bool(told.get("resists")),
        }
        lines = (f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in preferences.items())
        (profile / "user.js").write_text("\n".join(lines) + "\n")
    switches = {"private": "--private-window", "tools": "--devtools"}
    more = [switch for name, switch in switches.items() if work.options.get(name)]
    return ["firefox-esr", "--no-remote", "--profile", str(profile), *more]


@contextmanager
def _screen(width_px: int, height_px: int) -> Iterator[str]:
    with running_screen(width_px, height_px) as display:
        if not display:
            raise RuntimeError("Xvfb did not start")
        yield display


@contextmanager
def _running(command: list[str], env: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


def _window(browser: str, env: dict[str, str]) -> str:
    deadline_s = time.monotonic() + _START_S
    while time.monotonic() < deadline_s:
        found = hands.xdotool(env, "search", "--onlyvisible", "--class", browser).split()
        if found:
            time.sleep(1.0)  # a person, too, waits until the window is drawn
            return hands.xdotool(env, "search", "--onlyvisible", "--class", browser).split()[-1]
        time.sleep(_POLL_S)
    raise RuntimeError(f"no window of {browser}")


if __name__ == "__main__":
    main()
