"""What all mappings of the site file share: unknown keys are errors, values are never guessed."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from seawall.site.schema.values import refuse, shown


class Section(BaseModel):
    """A mapping of the site file. Field descriptions are the reference documentation."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)


def short_form(convert: Callable[[Any], Any], expected: str) -> BeforeValidator:
    """Accept a short form: `convert` makes a mapping or list of it, or returns None.

    Args:
        convert: gets every value that is not a mapping; None refuses it.
        expected: what to write, for the message.
    """

    def before(value: Any) -> Any:
        if isinstance(value, dict | Section):
            return value
        converted = convert(value)
        if converted is None:
            refuse("wrong-type", f"{shown(value)} does not fit here.", f"Write {expected}.")
        return converted

    return BeforeValidator(before)


def one_or_many(value: Any) -> Any:
    """A single value is a list of one."""
    return value if isinstance(value, list) else [value]
