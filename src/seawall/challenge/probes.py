"""Reads the browser probes that a challenge page sends; `seawall.bots.probes` names the bits."""

from typing import Any

from seawall.limits import CLEARANCE_PROBES_MAX


def read(value: Any) -> int | None:
    """Probes as a browser sent them; None when that is no whole number of twelve bits."""
    if type(value) is int and 0 <= value <= CLEARANCE_PROBES_MAX:
        return value
    return None
