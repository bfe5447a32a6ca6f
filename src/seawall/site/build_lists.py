"""Address lists: from a file or from what was pushed to networks."""

from seawall.ids import ListName
from seawall.model import IpList
from seawall.site.draft import Draft
from seawall.site.feeds import FEED_TYPES, read_feed
from seawall.site.files import Named, absolute
from seawall.site.problem import Location


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
        if content is None:
            draft.built_lists[name] = IpList(name)
            continue
        parsed = read_feed(kind, content, may_be_empty=section.may_be_empty)
        for fault in parsed.faults:
            place = Location(path, fault.line, 1) if section.file or fault.line else where
            draft.list_faults.append((name, place, fault))
        draft.built_lists[name] = IpList(name, parsed.entries)
