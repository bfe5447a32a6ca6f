"""Capture what a real client says hello with: `python -m tools.ja4 -- curl -s URL`.

It listens on loopback as a web server and as a proxy, runs the command with `URL` and `PROXY`
replaced, reads the ClientHello that arrives and hangs up. The command runs twice, with a short and
a long host name, since some clients pad a hello by its length. What is printed is an entry for
`src/seawall/bots/data/ja4.yaml`; family, generation and name are for a person to judge.

    python -m tools.ja4 --name curl-openssl --family curl -- curl -s --proxy PROXY URL
    python -m tools.ja4 --name chromium-156 --family chromium --generation 5 -- \
        chromium --headless=new --no-sandbox --proxy-server=PROXY URL
"""

import argparse
import contextlib
import itertools
import os
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from seawall.bots.hello import (
    PADDING,
    PRE_SHARED_KEY,
    SERVER_NAME,
    Hello,
    hello_size,
    is_grease,
    read_hello,
)
from seawall.errors import SeawallError

NAMES: Final = ("capture.test", ".".join(("a" * 60,) * 4) + ".test")
_DEADLINE_S: Final = 40.0
_READ_DEADLINE_S: Final = 5.0
_REQUEST_BYTES_MAX: Final = 64 * 1024


@dataclass
class Listener:
    """One loopback port that collects ClientHellos, sent straight or through CONNECT."""

    port: int
    hellos: list[Hello] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command twice and print the entry; 1 when no hello came."""
    options = _options(arguments)
    with listener() as heard:
        sent: list[Hello] = []
        for name in NAMES:
            heard.hellos.clear()
            heard.arrived.clear()
            _run(options.command, name, heard)
            if not heard.hellos:
                sys.stderr.write(f"No ClientHello came for {name}.\n")
                continue
            sent.append(heard.hellos[0])
    if not sent:
        return 1
    sys.stdout.write(entry(sent, options))
    return 0


def entry(sent: Sequence[Hello], options: argparse.Namespace) -> str:
    """The YAML of a table entry that these hellos of one client show."""
    first = sent[0]
    kinds = [set(hello.extensions) for hello in sent]
    fixed = [e for e in first.extensions if e not in (PADDING, PRE_SHARED_KEY)]
    fields = {
        "name": options.name,
        "family": options.family,
        "generation": options.generation,
        "tls": f'"{_version(first)}"',
        "ciphers": _codes(first.ciphers),
        "extensions": _codes(fixed),
        "signature-algorithms": _codes(first.signature_algorithms),
        "alpn": f"[{', '.join(name.decode('latin-1') for name in first.alpn)}]",
        "padding": "true" if any(PADDING in kind for kind in kinds) else "",
        "source": options.source,
        "date": f'"{options.date}"',
    }
    lines = [_field(key, value) for key, value in fields.items() if value]
    lines[0] = f"- {lines[0].strip()}"
    for hello, other in itertools.pairwise(sent):
        ours, theirs = (set(_plain(h.extensions)) - {PADDING, SERVER_NAME} for h in (hello, other))
        if ours ^ theirs:
            lines.append(f"  # differs between runs: {_codes(sorted(ours ^ theirs))}")
    return "\n".join(lines) + "\n"


@contextlib.contextmanager
def listener() -> Iterator[Listener]:
    """A port that hears ClientHellos until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        heard = Listener(server.getsockname()[1])
        thread = threading.Thread(target=_accept, args=(server, heard), daemon=True)
        thread.start()
        yield heard
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        thread.join(_READ_DEADLINE_S)


def _accept(server: socket.socket, heard: Listener) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = server.accept()
            with client:
                client.settimeout(_READ_DEADLINE_S)
                with contextlib.suppress(OSError, SeawallError):
                    heard.hellos.append(_hear(client))
                    heard.arrived.set()


def _hear(client: socket.socket) -> Hello:
    data = client.recv(_REQUEST_BYTES_MAX)
    if data.startswith(b"CONNECT "):
        while b"\r\n\r\n" not in data and len(data) < _REQUEST_BYTES_MAX:
            data += client.recv(_REQUEST_BYTES_MAX)
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        data = client.recv(_REQUEST_BYTES_MAX)
    while hello_size(data) is None:
        more = client.recv(_REQUEST_BYTES_MAX)
        if not more:
            break
        data += more
    size = hello_size(data)
    return read_hello(data if size is None else data[:size])


def _run(command: Sequence[str], name: str, heard: Listener) -> None:
    proxy = f"http://127.0.0.1:{heard.port}"
    words = [
        word.replace("URL", f"https://{name}/")
        .replace("PROXY", proxy)
        .replace("HOST", name)
        .replace("PORT", str(heard.port))
        for word in command
    ]
    environment = os.environ | {"https_proxy": proxy, "HTTPS_PROXY": proxy}
    with tempfile.TemporaryDirectory(prefix="ja4-") as home:
        process = subprocess.Popen(
            words,
            env=environment | {"HOME": home, "TMPDIR": home},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            heard.arrived.wait(_DEADLINE_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            process.wait()


def _version(hello: Hello) -> str:
    versions = [v for v in hello.versions if not is_grease(v)]
    return {0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3"}.get(
        max(versions, default=hello.legacy_version), "00"
    )


def _plain(codes: Sequence[int]) -> list[int]:
    return [code for code in codes if not is_grease(code)]


def _codes(codes: Iterable[int]) -> str:
    return " ".join("grease" if is_grease(code) else f"{code:04x}" for code in codes)


def _field(key: str, value: str) -> str:
    """One field, folded at 100 columns: a folded plain scalar of YAML is one line again."""
    return textwrap.fill(
        f"{key}: {value}",
        100,
        initial_indent="  ",
        subsequent_indent="    ",
        break_on_hyphens=False,
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="name")
    parser.add_argument("--family", default="other")
    parser.add_argument("--generation", default="")
    parser.add_argument("--source", default="captured on loopback")
    parser.add_argument("--date", default="unknown")
    parser.add_argument("command", nargs="+")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
