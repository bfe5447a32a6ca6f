"""Results that are remembered by value, bounded by what they take and not by their number alone."""

from collections.abc import Callable, Hashable
from typing import Generic, ParamSpec

Params = ParamSpec("Params")


class Remembered(Generic[Params]):
    """A pure function that serializes something; equal arguments are serialized once.

    Once there is no room for another result all are forgotten: cheaper than an order to forget them
    in, and no edge that is within bounds comes there.

    Args:
        function: takes hashable arguments.
        count_max: so many results are kept.
        size_bytes_max: and so many bytes of them.
    """

    def __init__(
        self, function: Callable[Params, bytes], *, count_max: int, size_bytes_max: int
    ) -> None:
        self._function = function
        self._count_max = count_max
        self._size_bytes_max = size_bytes_max
        self._size_bytes = 0
        self._known: dict[Hashable, bytes] = {}

    def __call__(self, *args: Params.args, **kwargs: Params.kwargs) -> bytes:
        """The result."""
        key = (args, tuple(sorted(kwargs.items())))
        found = self._known.get(key)
        if found is not None:
            return found
        result = self._function(*args, **kwargs)
        if len(result) > self._size_bytes_max:
            return result
        full = self._size_bytes + len(result) > self._size_bytes_max
        if full or len(self._known) >= self._count_max:
            self.cache_clear()
        self._known[key] = result
        self._size_bytes += len(result)
        return result

    def cache_clear(self) -> None:
        """Forget all results."""
        self._known.clear()
        self._size_bytes = 0


def remembered(
    *, count_max: int, size_bytes_max: int
) -> Callable[[Callable[Params, bytes]], Remembered[Params]]:
    """Decorates such a function; the arguments are those of `Remembered`."""

    def decorate(function: Callable[Params, bytes]) -> Remembered[Params]:
        return Remembered(function, count_max=count_max, size_bytes_max=size_bytes_max)

    return decorate
