"""What the page probe told: the same in Lua and in Python, and only from who may say it."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.test_signals import BROWSER, Signals
from seawall.bots import web_scripts
from seawall.bots.probes import DRIVEN, ODD, Probe, code_of
from seawall.compiler.names import PATH_PROBE

ALL = sum(Probe)
SIGNALS = Signals()
NODE = shutil.which("node") or ""


def read(*lines: tuple[str, str], scheme: str = "https", path: str = "/") -> int:
    kept = [line for line in BROWSER if line[0] not in (":path", ":scheme", "cookie")]
    codes = SIGNALS.read([(":scheme", scheme), (":path", path), *kept, *lines])
    return int(codes["page-probe"])


def cookie(text: str, **where: Any) -> int:
    return read(("cookie", text), **where)


@given(st.integers(0, ALL))
def test_lua_and_python_read_bits_alike(bits: int) -> None:
    code = code_of(bits)
    assert cookie(f"__Host-seawall-probe={bits}") == code
    assert read(path=f"{PATH_PROBE}?v={bits}") == code


def test_one_driven_sign_is_enough_and_oddities_are_counted() -> None:
    assert [code_of(int(bit)) for bit in Probe if bit & DRIVEN] == [1] * 6
    assert [code_of(int(bit)) for bit in Probe if bit & ODD] == [2] * 8
    assert code_of(int(ODD)) == 3
    assert code_of(int(ODD | Probe.WEBDRIVER)) == 1
    assert code_of(0) == code_of(ALL & ~DRIVEN & ~ODD) == 0


@pytest.mark.parametrize(
    ("text", "scheme", "code"),
    [
        ("a=1; __Host-seawall-probe=1", "https", 1),
        ("__Host-seawall-probe=1; b=2", "https", 1),
        ("seawall-probe=1", "http", 1),
        # A neighbouring host can set a cookie without the prefix for all hosts of its domain.
        ("seawall-probe=1", "https", 0),
        ("__Host-seawall-probe=1", "http", 0),
        # Nor is it believed in the value of another cookie, which may have spaces.
        ("a=1 __Host-seawall-probe=1", "https", 0),
        ("a=1; b=2 __Host-seawall-probe=1; __Host-seawall-probe=16", "https", 2),
        ("a=1;__Host-seawall-probe=1", "https", 1),
        ("x__Host-seawall-probe=1", "https", 0),
        ("xseawall-probe=1", "http", 0),
        ("__Host-seawall-probe=", "https", 0),
        ("__Host-seawall-probe=-1", "https", 0),
        ("__Host-seawall-probe=0x1", "https", 0),
        (f"__Host-seawall-probe={ALL + 1}", "https", 0),
        ("__Host-seawall-probe=" + "1" * 400, "https", 0),
        ("", "https", 0),
    ],
)
def test_only_a_cookie_of_this_host_tells(text: str, scheme: str, code: int) -> None:
    assert cookie(text, scheme=scheme) == code


@pytest.mark.parametrize(
    "query", ["", "?v=", "?v=x", "?v=1x", "?v=-1", "?v=1&v=0", "?w=1", "/x?v=1"]
)
def test_a_report_that_is_none_tells_nothing(query: str) -> None:
    assert read(path=PATH_PROBE + query) == 0


def test_the_probes_cookie_is_not_a_cookie_of_the_site() -> None:
    def sends(text: str) -> int:
        kept = [line for line in BROWSER if line[0] != "cookie"]
        return int(SIGNALS.read([*kept, ("cookie", text)])["cookie"])

    assert sends("__Host-seawall-probe=1") == sends("seawall-probe=1; seawall-try=x") == 0
    assert sends("__Host-seawall-probe=1; basket=1") == sends("x-seawall-probe=1") == 1


def test_the_script_sets_its_own_bits_after_those_of_a_challenge() -> None:
    script = web_scripts.page_probe()
    listed = script.partition("const bits = [hidden()")[2].partition("];")[0]
    assert 12 + 1 + listed.count(",") == len(Probe)
    assert "<< (at + 12)" in script


def test_the_script_is_one_scope_and_small() -> None:
    script = web_scripts.page_probe()
    assert script.startswith("(function () {\n")
    assert script.endswith("})();\n")
    assert len(script) < 8_000


def test_the_page_of_the_docs_lists_every_bit() -> None:
    page = (Path(__file__).parents[2] / "docs" / "page-probe.md").read_text()
    rows = re.findall(r"^\| (\d+) \| (\d+) \| .* \| (driven|oddity|nothing)", page, re.MULTILINE)
    kinds = {1: "driven", 2: "oddity", 0: "nothing"}
    wanted = [
        (str(n), str(int(bit)), kinds[code_of(int(bit))]) for n, bit in enumerate(Probe, start=1)
    ]
    assert rows == wanted


@pytest.mark.skipif(not NODE, reason="no JavaScript on this machine")
@pytest.mark.parametrize(
    ("prototype", "accents", "hidden"),
    [
        ("class { get webdriver() { return false; } }", True, True),  # a page's own getter
        ("class {}", True, True),
        # Before Chromium 89 and Firefox 75 only a driven browser had it: televisions, old phones.
        ("class {}", False, False),
        ("Object.assign(function () {}, {prototype: {webdriver: false}})", False, True),
    ],
)
def test_a_browser_from_before_the_property_hides_nothing(
    prototype: str, accents: bool, hidden: bool
) -> None:
    source = re.search(r"(?s)  function hidden\(\) \{.*?\n  \}\n", web_scripts.page_probe())
    assert source
    styles = (
        f"const CSS = {{ supports: (name) => name === 'accent-color' && {str(accents).lower()} }};"
    )
    program = f"const Navigator = {prototype};{styles}{source[0]}console.log(hidden());"
    done = subprocess.run([NODE, "-e", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(hidden).lower()


def _probed(process: str = "undefined", buffer: str = "undefined", window: str = "") -> int:
    """The bits that a browser without anything odd shows, but for these names of its page."""
    program = (
        "const navigator = {userAgent: '', appVersion: '', languages: ['de'],"
        " productSub: '20030107', permissions: {query: async () => ({state: 'granted'})}};"
        f"const window = {{outerWidth: 1, outerHeight: 1, {window}}}, document = {{}};"
        "const Notification = {permission: 'granted'};"
        f"(function (process, Buffer) {{{web_scripts.probes()}"
        f"probes().then((bits) => console.log(bits));}})({process}, {buffer});"
    )
    done = subprocess.run([NODE, "-e", program], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(not NODE, reason="no JavaScript on this machine")
@pytest.mark.parametrize(
    ("process", "buffer", "found"),
    [
        ("undefined", "undefined", 0),
        # What bundlers put into pages for libraries that were written for Node.js.
        ("{env: {}}", "undefined", 0),
        ("{title: 'browser', browser: true, env: {}, version: '', versions: {}}", "class {}", 0),
        ("null", "class {}", 0),
        ("{versions: {node: '22.1.0', electron: '33.0.0'}}", "class {}", Probe.PROCESS),
    ],
)
def test_what_a_page_brings_along_of_node_is_no_node(process: str, buffer: str, found: int) -> None:
    assert _probed(process, buffer) == found


@pytest.mark.skipif(not NODE, reason="no JavaScript on this machine")
@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("__pwaInstallPrompt", 0),
        ("__driverTour", 0),
        *(
            (name, Probe.DRIVER_GLOBALS)
            for name in ("__pwInitScripts", "__pw_x", "__playwright__b")
        ),
        *((name, Probe.DRIVER_GLOBALS) for name in ("__driver_evaluate", "__webdriver_x", "cdc_a")),
    ],
)
def test_a_name_of_a_page_is_none_of_a_driver(name: str, found: int) -> None:
    assert _probed(window=f"{name}: 1") == found


@pytest.mark.skipif(not NODE, reason="no JavaScript on this machine")
def test_a_page_that_listens_to_its_own_console_is_no_driver() -> None:
    """As reports of errors do, for every visitor of a site."""
    source = re.search(r"(?s)  function listened\(\) \{.*?\n  \}\n", web_scripts.page_probe())
    assert source
    program = f"{source[0]}console.debug = (error) => void error.stack;console.log(listened());"
    done = subprocess.run([NODE, "-e", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "false"


@pytest.mark.skipif(not NODE, reason="no JavaScript on this machine")
def test_a_report_goes_to_the_host_of_the_page_and_one_that_fails_is_no_error_of_it() -> None:
    """A page may have a `<base>` of another host; its reports of errors see what nobody catches."""
    program = (
        "globalThis.self = {origin: 'https://shop.example'};"
        "globalThis.location = {protocol: 'https:'};"
        "globalThis.document = {readyState: 'complete', cookie: ''};"
        "globalThis.sessionStorage = {getItem: () => null, setItem() {}};"
        "Object.defineProperty(globalThis, 'navigator', {value: {webdriver: true}});"
        "globalThis.fetch = async (url) => { console.log(url); throw new TypeError('offline'); };"
        "process.on('unhandledRejection', (error) => console.log(String(error)));"
        f"{web_scripts.page_probe()}"
    )
    done = subprocess.run([NODE, "-e", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [f"https://shop.example{PATH_PROBE}?v=1"]
