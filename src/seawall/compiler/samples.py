"""A request for a route, as far as one can be made up from what the route matches. Pure."""

from typing import Any, Final

from seawall import limits

_PATHS: Final = ("path", "prefix", "path_separated_prefix")


def sample_path(match: Any) -> str | None:
    """A path that a `RouteMatch` takes; None where it cannot be told, as of a regex."""
    kind = match.WhichOneof("path_specifier")
    if kind not in _PATHS:
        return None
    path = str(getattr(match, kind))
    return path if is_word(path) and path.startswith("/") else None


def methods(match: Any) -> tuple[str, ...]:
    """The methods that a `RouteMatch` takes; empty where it takes any. See `compile_match`."""
    for condition in match.headers:
        if condition.name == ":method":
            text = condition.string_match
            return tuple((text.exact or text.safe_regex.regex).split("|"))
    return ()


def is_word(text: str) -> bool:
    """Printable ASCII without spaces: what can stand in the first line of a request."""
    return (
        0 < len(text) <= limits.PATH_LENGTH_CHARS_MAX
        and text.isascii()
        and text.isprintable()
        and " " not in text
    )
