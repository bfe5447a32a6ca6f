"""Results that are remembered by value, bounded by what they take and not by their number alone.

Most often the very objects come again: then nobody looks at what is in them.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, ParamSpec, TypeVar

Params = ParamSpec("Params")
KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")


_Newest = tuple[int, Hashable]
"""The id of the first argument, and the arguments with a name."""


@dataclass(slots=True)
class _Result:
    """A result, and the arguments that it was asked for with last."""

    content: bytes
    args: tuple[object, ...] = ()
    newest: _Newest = (0, ())


class Remembered(Generic[Params]):
    """A pure function that serializes something; equal arguments are serialized once.

    Once there is no room for another result all are forgotten: cheaper than an order to forget them
    in, and no edge that is within bounds comes there.

    Args:
        function: takes hashable arguments, of which the first has no name.
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
        self._known: dict[Hashable, _Result] = {}
        self._newest: dict[_Newest, _Result] = {}

    def __call__(self, *args: Params.args, **kwargs: Params.kwargs) -> bytes:
        """The result."""
        options = tuple(sorted(kwargs.items()))
        newest = id(args[0]), options
        # It holds its arguments, so that nothing else can have the same id meanwhile.
        same = self._newest.get(newest)
        if same is not None and same.args == args:
            return same.content
        key = (args, options)
        found = self._known.get(key)
        if found is None:
            content = self._function(*args, **kwargs)
            if len(content) > self._size_bytes_max:
                return content
            full = self._size_bytes + len(content) > self._size_bytes_max
            if full or len(self._known) >= self._count_max:
                self.cache_clear()
            found = self._known[key] = _Result(content)
            self._size_bytes += len(content)
        self._newest.pop(found.newest, None)
        found.args, found.newest = args, newest
        self._newest[newest] = found
        return found.content

    def cache_clear(self) -> None:
        """Forget all results."""
        self._known.clear()
        self._newest.clear()
        self._size_bytes = 0


def remembered(
    *, count_max: int, size_bytes_max: int
) -> Callable[[Callable[Params, bytes]], Remembered[Params]]:
    """Decorates such a function; the arguments are those of `Remembered`."""

    def decorate(function: Callable[Params, bytes]) -> Remembered[Params]:
        return Remembered(function, count_max=count_max, size_bytes_max=size_bytes_max)

    return decorate


class Kept(Generic[KeyT, ValueT]):
    """A pure function; what it said in this pass or the one before is remembered.

    What it raises is not.

    Args:
        function: of something hashable; never says None.
    """

    def __init__(self, function: Callable[[KeyT], ValueT]) -> None:
        self._function = function
        self._before: dict[KeyT, ValueT] = {}
        self._now: dict[KeyT, ValueT] = {}

    def begin(self) -> None:
        """A pass begins: what was not asked for in the last one is forgotten."""
        self._before, self._now = self._now, {}

    def __call__(self, key: KeyT) -> ValueT:
        """What the function says of `key`."""
        found = self._now.get(key)
        if found is None:
            found = self._before.get(key)
            if found is None:
                found = self._function(key)
            self._now[key] = found
        return found
