"""Stand-ins for people: a headed browser on a screen of its own, a keyboard and a mouse.

All input comes from the X server (xdotool), as from a person's hands: no remote protocol is open in
the browser, and nothing looks into the page. So a click may miss, as a person's does.

Options: `browser` (chromium or firefox), `private`, `cookies`, `scripts`, `language`, `seconds`.
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
        visits = 2 if chance.random() < _RETURNS else 1
        return sum(
            _visit(work, chance, Path(folder), _seeing(display), (width, height))
            for _ in range(visits)
        )


def _seeing(display: str) -> dict[str, str]:
    return {**os.environ, "DISPLAY": display, "LANG": "C.UTF-8", "LIBGL_ALWAYS_SOFTWARE": "1"}


def _visit(
    work: Work, chance: random.Random, folder: Path, env: dict[str, str], size: tuple[int, int]
) -> int:
    browser = str(work.options["browser"])
    command = _chromium(work, folder, size) if browser == "chromium" else _firefox(work, folder)
    typed = chance.random() < 0.6
    command += ["about:blank" if typed else work.base + hands.entrance(chance)]
    with _running(command, env):
        window = _window(browser, env)
        hands.xdotool(
            env, "windowsize", window, str(size[0]), str(size[1]), "windowmove", window, "0", "0"
        )
        hands.xdotool(env, "windowfocus", window)
        seconds = float(work.options.get("seconds", 30)) * chance.uniform(0.7, 1.4)
        deed = hands.deeds(chance, work.base, size, typed=typed)
        return hands.carry_out(deed, env, until_s=time.monotonic() + seconds)


def _chromium(work: Work, folder: Path, size: tuple[int, int]) -> list[str]:
    profile = folder / "chromium"
    if not profile.exists():
        (profile / "Default").mkdir(parents=True)
        settings: dict[str, int] = {}
        if not work.options.get("scripts", True):
            settings["javascript"] = 2
        if not work.options.get("cookies", True):
            settings["cookies"] = 2
        preferences: dict[str, Any] = {
            "profile": {"default_content_setting_values": settings, "exit_type": "Normal"},
            "intl": {"accept_languages": work.options.get("language", "en-US,en")},
            "credentials_enable_service": False,
        }
        (profile / "Default" / "Preferences").write_text(json.dumps(preferences))
    private = ["--incognito"] if work.options.get("private") else []
    tools = ["--auto-open-devtools-for-tabs"] if work.options.get("tools") else []
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
        *private,
        *tools,
    ]


def _firefox(work: Work, folder: Path) -> list[str]:
    profile = folder / "firefox"
    if not profile.exists():
        shutil.copytree(Path(work.cache) / "firefox", profile)
        preferences: dict[str, object] = dict(_PREFERENCES_FIREFOX)
        preferences["intl.accept_languages"] = work.options.get("language", "en-US,en")
        if not work.options.get("scripts", True):
            preferences["javascript.enabled"] = False
        if not work.options.get("cookies", True):
            preferences["network.cookie.cookieBehavior"] = 2
        lines = (f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in preferences.items())
        (profile / "user.js").write_text("\n".join(lines) + "\n")
    private = ["--private-window"] if work.options.get("private") else []
    return ["firefox-esr", "--no-remote", "--profile", str(profile), *private]


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
