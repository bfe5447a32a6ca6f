"""Address lists: from a file or from what was pushed to networks.

A list that is named as the published ranges of a known bot verifies that bot: its date counts, and
it holds no more than the bot filter reads.
"""

from seawall import limits
from seawall.ids import ListName
from seawall.model import IpList
from seawall.site.draft import Draft
from seawall.site.feeds import FEED_TYPES, read_feed
from seawall.site.feeds.fault import Fault, Parsed
from seawall.site.files import Named, absolute
from seawall.site.problem import Location
from seawall.verify.catalogue import catalogue
from seawall.verify.ranges import header


def build_lists(draft: Draft) -> None:
    """Read every list; what is wrong with one is a fault of the draft."""
    for key, section in draft.top.section.lists.items():
        name = ListName(key)
        where = draft.top.at("lists", key)
        kind = FEED_TYPES[section.format]
        if section.file is None:
            content = draft.pushed.get(name)
            path = f"what was pushed into {name}"
        else:
            path = absolute(draft.top.file, section.file)
            at = draft.top.at("lists", key, "file")
            named = Named(path, "list", at, f"list {name}")
            content = draft.files.get(named, kind.size_bytes_max)
        if content is None or draft.top.gone("lists", key, "file"):
            draft.built_lists[name] = IpList(name)
            continue
        parsed = read_feed(kind, content, may_be_empty=section.may_be_empty)
        fetched_s = None
        if key in catalogue().sources:
            parsed, fetched_s = _ranges(key, content, parsed)
        for fault in parsed.faults:
            place = Location(path, fault.line, 1) if section.file or fault.line else where
            draft.list_faults.append((name, place, fault))
        draft.built_lists[name] = IpList(name, parsed.entries, fetched_s)


def _ranges(name: str, content: bytes, parsed: Parsed) -> tuple[Parsed, int | None]:
    """What published ranges are beyond a list: whose they are, and of when."""
    told, fetched_s = header(content) or (name, None)
    if told != name:
        what = f"It holds the ranges `{told}`."
        fault = Fault(2, what, f"Put it into the list `{told}`; here belong those of `{name}`.")
        return Parsed((), (*parsed.faults, fault)), None
    if len(parsed.entries) > limits.VERIFY_RANGES_PER_LIST_MAX:
        most = limits.VERIFY_RANGES_PER_LIST_MAX
        what = f"There are {len(parsed.entries):,} networks; ranges of a bot have at most {most:,}."
        return Parsed(
            (), (Fault(0, what, "Check what wrote it, or name the list otherwise."),)
        ), None
    return parsed, None if parsed.faults else fetched_s
