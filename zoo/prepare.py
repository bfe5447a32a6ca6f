"""Makes clients ready: names what is missing, builds what is needed, has the authority trusted."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from zoo.kinds import Configuration

ROOT = Path(__file__).parents[1]
DRIVERS = ROOT / "zoo" / "drivers"
_TIMEOUT_S = 600
_PASSWORD = "changeit"  # noqa: S105 - Java's well-known one; the store holds a public certificate
_APT = {
    "chromium": "chromium",
    "chromedriver": "chromium-driver",
    "firefox-esr": "firefox-esr",
    "certutil": "libnss3-tools",
    "Xvfb": "xvfb",
    "hey": "hey",
    "java": "default-jdk-headless",
    "javac": "default-jdk-headless",
    "keytool": "default-jdk-headless",
    "go": "golang-go",
    "node": "nodejs",
    "npm": "npm",
    "lwp-request": "libwww-perl liblwp-protocol-https-perl",
    "/usr/lib/nagios/plugins/check_http": "monitoring-plugins-basic",
    "/usr/lib/apt/apt-helper": "apt",
}


@dataclass(frozen=True)
class Tools:
    """Where clients and their state are.

    Attributes:
        python: the interpreter that has the clients of requirements-zoo.txt.
        cache: kept between runs: npm packages and compiled clients.
    """

    python: Path
    cache: Path

    @property
    def node(self) -> Path:
        """The folder of the Node.js drivers and their packages."""
        return self.cache / "node"


def install(configurations: Iterable[Configuration], tools: Tools) -> list[str]:
    """Build what these clients need; what could not be built is said, a line each."""
    tools.cache.mkdir(parents=True, exist_ok=True)
    needs = {need for configuration in configurations for need in configuration.needs}
    steps = (("node", _npm), ("javac", _java), ("go", _go))
    return [problem for need, step in steps if need in needs and (problem := step(tools))]


def missing(configurations: Iterable[Configuration], tools: Tools) -> dict[str, tuple[str, ...]]:
    """What each configuration lacks, by its name; those that lack nothing are not in it."""
    wanted = {need for configuration in configurations for need in configuration.needs}
    absent = {need for need in wanted if not _there(need, tools)}
    absent |= _absent_modules([need for need in wanted if need.startswith("pip:")], tools)
    found = {c.name: tuple(need for need in c.needs if need in absent) for c in configurations}
    return {name: lacks for name, lacks in found.items() if lacks}


def how_to_get(need: str) -> str:
    """What a person does to have it."""
    kind, _, name = need.partition(":")
    if kind == "pip":
        return f"{name} of requirements-zoo.txt (make zoo installs it)"
    if kind == "npm":
        return f"{name} of zoo/drivers/node/package.json (npm ci)"
    return f"{need} (Debian: apt install {_APT.get(need, need)})"


def trust(folder: Path, authority: Path, tools: Tools) -> None:
    """Fill `folder` with homes, profiles and stores that trust the authority.

    Args:
        folder: made; drivers know it as `{cache}`.
        authority: PEM file.
        tools: compiled clients are linked from their cache.
    """
    home = folder / "home"
    (folder / "firefox").mkdir(parents=True, exist_ok=True)
    home.mkdir(exist_ok=True)
    for store in (home / ".pki" / "nssdb", home / ".local/share/pki/nssdb", folder / "firefox"):
        store.mkdir(parents=True, exist_ok=True)
        if shutil.which("certutil"):
            database = f"sql:{store}"
            _run(["certutil", "-N", "-d", database, "--empty-password"])
            _run(["certutil", "-A", "-d", database, "-n", "zoo", "-t", "C,,", "-i", str(authority)])
    if shutil.which("keytool"):
        _run(
            [
                "keytool",
                "-importcert",
                "-noprompt",
                "-alias",
                "zoo",
                "-file",
                str(authority),
                "-keystore",
                str(folder / "trust.p12"),
                "-storetype",
                "PKCS12",
                "-storepass",
                _PASSWORD,
            ]
        )
    (folder / "hosts").write_text("127.0.0.1 localhost zoo.test\n")
    for name in ("java", "goclient"):
        if (tools.cache / name).exists():
            (folder / name).symlink_to((tools.cache / name).resolve())


def environment(folder: Path, authority: Path, display: str) -> dict[str, str]:
    """What drivers find in their environment.

    Args:
        folder: of `trust`.
        authority: PEM file.
        display: of the screen for headed automation, or nothing.
    """
    others = ("PYTHON", "PIP_", "npm_", "NPM_", "GO")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    trusting = ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    return {
        **kept,
        **dict.fromkeys(trusting, str(authority)),
        "HOME": str(folder / "home"),
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        **({"DISPLAY": display} if display else {}),
    }


def versions(tools: Tools) -> Mapping[str, str]:
    """What is installed, for about.json."""
    programs = {
        "chromium": "--version",
        "firefox-esr": "--version",
        "curl": "--version",
        "wget": "--version",
        "node": "--version",
        "java": "--version",
        "go": "version",
        "git": "--version",
        "w3m": "-version",
        "lynx": "--version",
        "elinks": "-version",
        "newsboat": "--version",
        "npm": "--version",
        "openssl": "version",
        "xdotool": "version",
    }
    found = {n: _said([n, flag]) for n, flag in programs.items() if shutil.which(n)}
    listed = _said([str(tools.python), "-m", "pip", "freeze"], whole=True)
    found |= {f"pip:{n}": v for n, _, v in (line.partition("==") for line in listed.split()) if v}
    packages = json.loads((DRIVERS / "node" / "package.json").read_text())["dependencies"]
    return found | {f"npm:{name}": version for name, version in packages.items()}


def _there(need: str, tools: Tools) -> bool:
    kind, _, name = need.partition(":")
    if kind == "pip":
        return True
    if kind == "npm":
        return (tools.node / "node_modules" / name).exists()
    return shutil.which(need) is not None


def _absent_modules(needs: list[str], tools: Tools) -> set[str]:
    names = [need.removeprefix("pip:") for need in needs]
    code = (
        "import importlib.util, sys\n"
        "print(*[n for n in sys.argv[1:] if not importlib.util.find_spec(n)])"
    )
    try:
        ended = _run([str(tools.python), "-c", code, *names])
    except OSError:
        return set(needs)
    if ended.returncode:
        return set(needs)
    return {f"pip:{name}" for name in ended.stdout.split()}


def _npm(tools: Tools) -> str:
    tools.node.mkdir(exist_ok=True)
    for script in (DRIVERS / "node").iterdir():
        shutil.copy(script, tools.node)
    lock = (DRIVERS / "node" / "package-lock.json").read_text()
    done = tools.node / "installed.json"
    if done.exists() and done.read_text() == lock:
        return ""
    if not shutil.which("npm"):
        return "npm is missing: no client from npm"
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=optional"]
    ended = _run(command, cwd=tools.node)
    if ended.returncode:
        return f"npm ci failed: {ended.stderr.strip()[-300:]}"
    done.write_text(lock)
    return ""


def _java(tools: Tools) -> str:
    if not shutil.which("javac") or (tools.cache / "java" / "Client.class").exists():
        return ""
    ended = _run(["javac", "-d", str(tools.cache / "java"), str(DRIVERS / "Client.java")])
    return f"javac failed: {ended.stderr.strip()[-300:]}" if ended.returncode else ""


def _go(tools: Tools) -> str:
    if not shutil.which("go") or (tools.cache / "goclient").exists():
        return ""
    ended = _run(["go", "build", "-o", str(tools.cache / "goclient"), str(DRIVERS / "client.go")])
    return f"go build failed: {ended.stderr.strip()[-300:]}" if ended.returncode else ""


def _run(command: list[str], cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
    )


def _said(command: list[str], *, whole: bool = False) -> str:
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    text = (ended.stdout or ended.stderr).strip()
    return text if whole else text.split("\n")[0]
