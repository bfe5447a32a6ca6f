"""Fetching published ranges: the thin shell around `seawall.verify.ranges`."""

from seawall import limits
from seawall.errors import UnreachableError
from seawall.verify.catalogue import RangeSource
from seawall.verify.fetch import Fetcher
from seawall.verify.ranges import RangeList, Renewal, failed, renew

_ACCEPT = "application/json, text/plain"


async def renew_list(
    source: RangeSource, old: RangeList | None, fetcher: Fetcher, *, now_s: float
) -> Renewal:
    """Fetch all parts of a list and say what becomes of it; never raises for what others serve.

    Args:
        source: where the operator publishes it.
        old: the list that is in use.
        fetcher: fetches over https with bounds.
        now_s: Unix seconds.
    """
    size = limits.VERIFY_RANGES_BODY_SIZE_BYTES_MAX
    try:
        bodies = [
            (await fetcher.get(url, size_bytes_max=size, accept=_ACCEPT)).body
            for url in source.urls
        ]
    except UnreachableError as error:
        return failed(source.name, old, error.message, now_s=now_s)
    return renew(source, old, bodies, now_s=now_s)
