"""Model files: read with bounds, written whole or not at all. Needs none of the heavy packages."""

import os
from pathlib import Path

from seawall import limits
from seawall.bots import artifact
from seawall.bots.model import Model
from seawall.errors import UnreachableError


def read_model(path: Path) -> tuple[Model, str]:
    """A model and its digest.

    Raises:
        RefusedError: the file holds no good model.
        UnreachableError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            content = file.read(limits.BOT_MODEL_SIZE_BYTES_MAX + 1)
    except OSError as error:
        raise UnreachableError(
            "file-unreadable",
            f"{path} cannot be read: {error.strerror or error}.",
            remedy="Check its name and permissions.",
        ) from error
    return artifact.read(content), artifact.digest(content)


def write_model(path: Path, content: bytes) -> None:
    """Put a model's file into its place in one step.

    Raises:
        UnreachableError: it cannot be written; what was there is untouched.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise UnreachableError(
            "model-unwritable",
            f"The model cannot be written to {path}: {error.strerror or error}.",
            remedy="Name another place with --out.",
        ) from error
