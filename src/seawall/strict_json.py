"""JSON in which no name stands twice: RFC 8259 leaves open which of its values counts."""

from typing import Any


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For `json.loads(..., object_pairs_hook=once)`.

    Raises:
        ValueError: a name stands twice in one object.
    """
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"it contains a key twice: `{name[:80]}`")
        found[name] = value
    return found
