"""Pushes that waited and were refused when nobody was there to be told: `status` tells it."""

from collections.abc import Iterator
from dataclasses import dataclass

from seawall.api.refusals import is_pushed
from seawall.api.status_views import NoticeView
from seawall.api.views import Refused
from seawall.api.work import Facts
from seawall.ids import ListName, ReleaseId
from seawall.release.release import ReleaseRecord


@dataclass(frozen=True, slots=True)
class _Told:
    """One refusal; `under` is the release that was current then."""

    words: str
    outcome: Refused
    under: ReleaseId | None


class RefusedFeeds:
    """Of each feed the newest refusal, until something else is pushed into it."""

    def __init__(self) -> None:
        self._told: dict[ListName, _Told] = {}

    def keep(
        self, name: ListName, words: str, outcome: Refused, current: ReleaseRecord | None
    ) -> None:
        """It was refused while `current` was."""
        self._told[name] = _Told(words, outcome, current.id if current is not None else None)

    def forget(self, name: ListName) -> None:
        """Something else was pushed."""
        self._told.pop(name, None)

    def notices(
        self, facts: Facts | None, current: ReleaseRecord | None, newest: NoticeView | None
    ) -> Iterator[NoticeView]:
        """What to tell.

        Args:
            facts: of the current release; None where they are not known.
            current: release.
            newest: notice of a refused release, which may tell of the same.
        """
        if facts is not None and current is not None:
            # Nothing can be pushed into a feed that is gone: nothing else would end its notice.
            self._told = {
                name: told
                for name, told in self._told.items()
                if told.under == current.id or is_pushed(facts, name)
            }
        for told in self._told.values():
            if newest is None or not newest.text.endswith(told.outcome.message):
                yield NoticeView("warning", "feed-refused", told.words, told.outcome.remedy)
