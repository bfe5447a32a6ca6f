"""Loading a site file that a test writes down: text in, `Loaded` out, no disk."""

import errno
import time
from collections.abc import Mapping
from functools import lru_cache

from seawall.bots.starter import starter_content
from seawall.site.load import Loaded, load
from seawall.site.sources import SourceFile, SourceSet
from tls_material import TlsAuthority

ROOT = "/site/seawall.yaml"
HEAD = "version: 1\nlisten: {http: 127.0.0.1:8080}\n"


def sources(text: str | bytes, **included: str) -> SourceSet:
    """A site file at `ROOT`, and files `/site/NAME.yaml` beside it."""
    files = [SourceFile(ROOT, text if isinstance(text, bytes) else text.encode())]
    files += [SourceFile(f"/site/{name}.yaml", body.encode()) for name, body in included.items()]
    return SourceSet(ROOT, tuple(files))


def load_text(
    text: str | bytes, files: Mapping[str, bytes] | None = None, **included: str
) -> Loaded:
    """Load a site file; `files` are what it names, by path relative to it."""
    known = {f"/site/{path}": content for path, content in (files or {}).items()}

    def read(path: str) -> bytes:
        if path.endswith("locked.html"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        if path not in known:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        return known[path]

    return load(
        sources(text, **included),
        read=read,
        now_s=time.time(),
        file_mode=lambda path: 0o644 if path.endswith("open.key") else 0o600,
    )


def ids(loaded: Loaded) -> set[str]:
    """The ids of all problems."""
    return {problem.id for problem in loaded.problems}


@lru_cache(maxsize=1)
def certificate_files() -> Mapping[str, bytes]:
    """Certificates in every state (good, other host, soon, expired, open), and a bot model."""
    authority = TlsAuthority()
    files: dict[str, bytes] = {
        "certs/not-pem.txt": b"no certificate",
        "certs/ca.pem": authority.pem,
        "models/current.json": starter_content() or b"",
    }
    for name, host, days, old_days in (
        ("shop", "shop.example.com", 90, 1),
        ("other", "other.example.com", 90, 1),
        ("open", "shop.example.com", 90, 1),
        ("wild", "*.blog.example.com", 90, 1),
        ("soon", "shop.example.com", 5, 85),
        ("brief", "shop.example.com", 5, 1),
        ("late", "shop.example.com", 1, 5),
        ("expired", "shop.example.com", 0, 1),
    ):
        issued = authority.issue(host, days=days, old_days=old_days)
        files[f"certs/{name}.pem"], files[f"certs/{name}.key"] = issued
    files["certs/gap.pem"] = files["certs/shop.pem"] + files["certs/other.pem"]
    return files
