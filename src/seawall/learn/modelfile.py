"""Model files: read with bounds, written whole or not at all. Needs none of the heavy packages."""

import errno
import os
from pathlib import Path
from typing import Final

from seawall import limits
from seawall.bots import artifact
from seawall.bots.model import Model
from seawall.bots.starter import starter_content
from seawall.errors import UnreachableError

STARTER: Final = "starter"


def read_model(path: Path) -> tuple[Model, str]:
    """A model and its digest.

    Args:
        path: of its file; `STARTER`, where no file is called so, is the one that Seawall ships.

    Raises:
        RefusedError: the file holds no good model.
        UnreachableError: it cannot be read.
    """
    content = starter_content() if str(path) == STARTER and not path.exists() else None
    if content is None:
        content = _read(path)
    return artifact.read(content), artifact.digest(content)


def write_model(path: Path, content: bytes) -> None:
    """Put a model's file into its place in one step.

    Raises:
        UnreachableError: it cannot be written; what was there is untouched.
    """
    beside = _beside(path)
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise _unwritable(path, error) from error


def require_place(path: Path) -> None:
    """Find out that a model cannot be written to `path` before it is trained.

    Raises:
        UnreachableError: there is no such folder, or nothing can be written in it.
    """
    beside = _beside(path)
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        beside.touch()
        beside.unlink()
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> UnreachableError:
    return UnreachableError(
        "model-unwritable",
        f"The model cannot be written to {path}: {error.strerror or error}.",
        remedy="Name another place with --out.",
    )


def _beside(path: Path) -> Path:
    return path.parent / f".{path.name}.{os.getpid()}"


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(limits.BOT_MODEL_SIZE_BYTES_MAX + 1)
    except OSError as error:
        raise UnreachableError(
            "file-unreadable",
            f"{path} cannot be read: {error.strerror or error}.",
            remedy="Check its name and permissions.",
        ) from error
