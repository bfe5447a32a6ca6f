"""The heavy packages of training: an extra that only control's machine has."""

from importlib.util import find_spec
from typing import Final

from seawall.errors import UnreachableError

PACKAGES: Final = ("chdb", "lightgbm", "matplotlib", "numpy")


def require(*packages: str) -> None:
    """Say in one sentence what is missing, before anything is begun.

    Args:
        packages: names to import; all of `PACKAGES` when none is given.

    Raises:
        UnreachableError: at least one is not installed.
    """
    missing = [name for name in packages or PACKAGES if find_spec(name) is None]
    if missing:
        raise UnreachableError(
            "learn-extra-missing",
            f"Training needs packages that are not installed here: {', '.join(missing)}.",
            remedy="Install the extra `seawall[learn]` on this machine. Nodes never need it.",
        )
