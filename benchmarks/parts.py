"""Where time goes, by part: each part's own time, without that of the parts it calls."""

import contextlib
import functools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Place = tuple[Any, str]
"""A class or module, and the name of a function in it."""


class Parts:
    """Own seconds and calls by part."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self._inner: list[float] = []

    def clear(self) -> None:
        """Forget what was measured so far."""
        self.seconds.clear()
        self.calls.clear()

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, measured as this part."""

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            self._inner.append(0.0)
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                whole = time.perf_counter() - start
                self.seconds[part] += whole - self._inner.pop()  # type: ignore[assignment]
                self.calls[part] += 1
                if self._inner:
                    self._inner[-1] += whole

        return call


@contextlib.contextmanager
def measured(places: Mapping[str, Sequence[Place]]) -> Iterator[Parts]:
    """Measure functions by part for the length of a `with`."""
    parts = Parts()
    with contextlib.ExitStack() as stack:
        for part, found in places.items():
            for owner, name in found:
                former = getattr(owner, name)
                setattr(owner, name, parts.timed(part, former))
                stack.callback(setattr, owner, name, former)
        yield parts
