"""The keys that clearances are signed with: pushed by control itself, never written by a person."""

from seawall.challenge import keys
from seawall.errors import RefusedError
from seawall.site.draft import Draft
from seawall.site.problem import Location
from seawall.site.sources import CLEARANCE_KEYS


def build_keys(draft: Draft) -> None:
    """Read them, when there are any."""
    content = draft.pushed.get(CLEARANCE_KEYS)
    if content is None:
        return
    try:
        draft.built_keys = keys.read(content).keys
    except RefusedError as error:
        where = Location(f"what was pushed into {CLEARANCE_KEYS}", 0, 0)
        draft.error(error.code, where, "clearance keys", error.message, remedy=error.remedy)
