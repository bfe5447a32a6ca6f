"""The files that challenge pages load: read once, named by their content, sent compressed."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Final

from seawall.bots import web_scripts
from seawall.challenge.page import PLACE

_TYPES: Final = {
    "script.js": "text/javascript; charset=utf-8",
    "worker.js": "text/javascript; charset=utf-8",
    "argon2.umd.min.js": "text/javascript; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
}
_PROBING: Final = "script.js"
"""Written as the rest of a script that begins with the probes."""
_WORKER_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'none'"
)
"""A worker has a policy of its own; without `wasm-unsafe-eval` it could not solve."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file.

    Attributes:
        version: first digits of its SHA-256: another content has another URL.
    """

    name: str
    body: bytes
    compressed: bytes
    version: str

    def headers(self, *, compressed: bool) -> list[tuple[str, str]]:
        """The headers to send it with."""
        found = [
            ("content-type", _TYPES[self.name]),
            ("cache-control", "public, max-age=31536000, immutable"),
            ("x-content-type-options", "nosniff"),
            ("x-robots-tag", "noindex"),
            ("vary", "accept-encoding"),
            ("content-security-policy", _WORKER_POLICY),
        ]
        if compressed:
            found.append(("content-encoding", "gzip"))
        return found


@dataclass(frozen=True, slots=True)
class Assets:
    """All files by name."""

    files: Mapping[str, Asset]

    def url(self, name: str) -> str:
        """Where pages load `name` from."""
        return f"{PLACE}{name}?v={self.files[name].version}"

    def style(self, proof: str) -> bytes:
        """The style sheet of one page, with the proof for whoever applies it."""
        return self.files["style.css"].body + f':root{{--seawall-proof:"{proof}"}}\n'.encode()


def load() -> Assets:
    """Read the files that come with Seawall."""
    place = resources.files("seawall.challenge") / "static"
    found = {}
    for name in _TYPES:
        body = (place / name).read_bytes()
        if name == _PROBING:
            body = web_scripts.closed(web_scripts.probes(), body.decode()).encode()
        found[name] = Asset(
            name=name,
            body=body,
            compressed=gzip.compress(body, mtime=0),
            version=hashlib.sha256(body).hexdigest()[:12],
        )
    return Assets(MappingProxyType(found))
