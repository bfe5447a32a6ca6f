"""The heavy packages of training: an extra that only control's machine has."""

import ctypes
from importlib.util import find_spec
from typing import Final

from seawall.errors import UnreachableError

MEASURING: Final = ("chdb", "matplotlib", "numpy")
PACKAGES: Final = (*MEASURING, "lightgbm")
_THREADS: Final = "libgomp.so.1"
"""GCC's OpenMP. LightGBM's wheels leave it to the system, and a small one has not got it."""


def require(*packages: str) -> None:
    """Say in one sentence what is missing, before anything is begun.

    Args:
        packages: names to import; all of `PACKAGES` when none is given.

    Raises:
        UnreachableError: at least one is not installed, or cannot be loaded.
    """
    wanted = packages or PACKAGES
    missing = [name for name in wanted if find_spec(name) is None]
    if missing:
        raise UnreachableError(
            "learn-extra-missing",
            f"Training needs packages that are not installed here: {', '.join(missing)}.",
            remedy="Install the extra `seawall[learn]` on this machine. Nodes never need it.",
        )
    if "lightgbm" in wanted and not _loads(_THREADS):
        raise UnreachableError(
            "learn-library-missing",
            f"LightGBM, which trains the models, needs {_THREADS}, which is missing on this "
            "machine.",
            remedy="Install it: `apt install libgomp1` on Debian and Ubuntu, `dnf install libgomp` "
            "on Fedora. Nodes never need it.",
        )


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
