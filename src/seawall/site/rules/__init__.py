"""Rules over a whole configuration, one file each, registered in one table."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem


def run_rules(draft: Draft) -> Iterator[Problem]:
    """What every rule finds."""
    return iter(())
