"""What package managers and git fetch from the site: a wheel, a module, a repository.

All of it is made in memory, or once by git itself, and looked up by path.
"""

import base64
import functools
import hashlib
import io
import json
import subprocess
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

_WHEEL = "zoopackage-1.0-py3-none-any.whl"
_MODULE = "zoo.test/module"


@dataclass(frozen=True)
class Packed:
    """A file and its media type."""

    kind: str
    body: bytes


def file(path: str) -> Packed | None:
    """The file under this path of the site, if there is one."""
    return _files().get(path)


@functools.cache
def _files() -> dict[str, Packed]:
    wheel, package, module = _wheel(), _npm(), _go()
    index = f"<a href='/simple/files/{_WHEEL}'>{_WHEEL}</a>".encode()
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(package).digest()).decode()
    version = {
        "name": "zoopackage",
        "version": "1.0.0",
        "dist": {"tarball": "/npm/zoopackage.tgz", "integrity": integrity},
    }
    about = {"name": "zoopackage", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
    proxy = f"/goproxy/{_MODULE}/@v"
    return {
        "/simple/zoopackage/": Packed("text/html", index),
        f"/simple/files/{_WHEEL}": Packed("application/octet-stream", wheel),
        "/npm/zoopackage": Packed("application/json", json.dumps(about).encode()),
        "/npm/zoopackage.tgz": Packed("application/octet-stream", package),
        f"{proxy}/list": Packed("text/plain", b"v1.0.0\n"),
        f"{proxy}/v1.0.0.info": Packed("application/json", b'{"Version":"v1.0.0"}'),
        f"{proxy}/v1.0.0.mod": Packed("text/plain", f"module {_MODULE}\n".encode()),
        f"{proxy}/v1.0.0.zip": Packed("application/zip", module),
        **{f"/repo.git/{name}": body for name, body in _repository().items()},
    }


def _wheel() -> bytes:
    made = io.BytesIO()
    info = "zoopackage-1.0.dist-info"
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("zoopackage.py", "\n")
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: zoopackage\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return made.getvalue()


def _npm() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        text = json.dumps({"name": "zoopackage", "version": "1.0.0"}).encode()
        entry = tarfile.TarInfo("package/package.json")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    return made.getvalue()


def _go() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(f"{_MODULE}@v1.0.0/go.mod", f"module {_MODULE}\n")
        archive.writestr(f"{_MODULE}@v1.0.0/zoo.go", "package zoo\n")
    return made.getvalue()


def _repository() -> dict[str, Packed]:
    """A bare repository as files, for git's dumb HTTP protocol; empty when git is missing."""
    with tempfile.TemporaryDirectory() as folder:
        work, bare = Path(folder) / "work", Path(folder) / "bare"
        who = ("-c", "user.name=zoo", "-c", "user.email=zoo@example.com")
        try:
            for command in (
                ("init", "-q", "-b", "main", str(work)),
                ("-C", str(work), *who, "commit", "-q", "--allow-empty", "-m", "first"),
                ("clone", "-q", "--bare", str(work), str(bare)),
                ("-C", str(bare), "update-server-info"),
            ):
                subprocess.run(["git", *command], check=True, capture_output=True, timeout=60)  # noqa: S607 - git is on PATH
        except (OSError, subprocess.SubprocessError):
            return {}
        return {
            str(found.relative_to(bare)): Packed("application/octet-stream", found.read_bytes())
            for found in bare.rglob("*")
            if found.is_file() and "hooks" not in found.parts
        }
