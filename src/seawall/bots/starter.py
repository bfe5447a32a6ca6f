"""The model that a new edge begins with: shipped as package data, read once.

Where no file is shipped there is no starter model: scores are absent, which is a state of its own.
A shipped file that does not read back is a fault of the installation, and is told as such.
"""

from functools import cache
from importlib import resources
from typing import Final

from seawall.bots import artifact
from seawall.errors import InternalError, RefusedError

_FILE: Final = "starter.json"


@cache
def starter_content() -> bytes | None:
    """The file of the starter model; None when none is shipped.

    Raises:
        InternalError: the shipped file is damaged.
    """
    try:
        content = resources.files("seawall.bots").joinpath("data", _FILE).read_bytes()
    except FileNotFoundError:
        return None
    try:
        artifact.remembered(content)
    except RefusedError as error:
        raise InternalError("starter-model-damaged", error.message) from error
    return content
