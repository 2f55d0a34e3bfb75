"""Memory-efficient collections that store their parts in arrays and one text."""

from __future__ import annotations

import re
from abc import abstractmethod
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Generic, TypeVar, overload
from zlib import crc32

T = TypeVar("T")


class LazySequence(Sequence[T]):
    """A sequence whose values are created from a compact form on each access."""

    __slots__ = ()

    @abstractmethod
    def make(self, position: int) -> T:
        """Make the value at a position, from 0."""

    @overload
    def __getitem__(self, position: int) -> T: ...

    @overload
    def __getitem__(self, position: slice) -> Sequence[T]: ...

    def __getitem__(self, position: int | slice) -> T | Sequence[T]:
        found = range(len(self))[position]
        return self.make(found) if isinstance(found, int) else [self.make(n) for n in found]


class Texts(LazySequence[str]):
    """Texts without line breaks, kept as one."""

    __slots__ = ("_starts", "_text")

    def __init__(self, texts: Sequence[str]) -> None:
        self._text = "\n".join(texts)
        self._starts = array("I", accumulate((len(text) + 1 for text in texts), initial=0))

    def make(self, position: int) -> str:
        return self._text[self._starts[position] : self._starts[position + 1] - 1]

    def __len__(self) -> int:
        return len(self._starts) - 1


class ZipCodes(LazySequence[str]):
    """ZIPs, kept as numbers."""

    __slots__ = ("_numbers",)

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = array("I", numbers)

    def make(self, position: int) -> str:
        return f"{self._numbers[position]:05}"

    def __len__(self) -> int:
        return len(self._numbers)

    def pick(self, positions: Iterable[int]) -> list[str]:
        """Create the ZIPs at these positions, in a fifth of the time for single accesses."""
        return [f"{number:05}" for number in map(self._numbers.__getitem__, positions)]

    def find(self, code: str, start: int, end: int) -> int | None:
        """The position of a ZIP among sorted ones; None when it is not there."""
        if not (len(code) == 5 and code.isascii() and code.isdigit()):
            return None
        number = int(code)
        position = bisect_left(self._numbers, number, start, end)
        return position if position < end and self._numbers[position] == number else None


class KeyIndex:
    """The numbers of distinct texts. A text is found by its checksum and then compared."""

    __slots__ = ("_checksums", "_numbers", "_starts", "_text")

    def __init__(self, keys: Sequence[str]) -> None:
        self._text = "\n".join(keys)
        self._starts = array("I", [0])
        for key in keys:
            self._starts.append(self._starts[-1] + len(key) + 1)
        checksums = [crc32(key.encode()) for key in keys]
        self._numbers = array("H", sorted(range(len(keys)), key=checksums.__getitem__))
        self._checksums = array("I", sorted(checksums))

    def __len__(self) -> int:
        return len(self._numbers)

    def find(self, key: str) -> int | None:
        """The number of a text, None when it is not in the index."""
        wanted, checksums = crc32(key.encode()), self._checksums
        at = bisect_left(checksums, wanted)
        while at < len(checksums) and checksums[at] == wanted:
            number = self._numbers[at]
            start = self._starts[number]
            if self._text[start : self._starts[number + 1] - 1] == key:
                return number
            at += 1
        return None

    def alike(self, initial: str, shortest: int, longest: int) -> Iterator[tuple[int, str]]:
        """The texts with an initial and a length, each with its number, in the order of their numbers."""
        pattern = rf"(?m)^{re.escape(initial)}.{{{shortest - 1},{longest - 1}}}$"
        for match in re.finditer(pattern, self._text):
            yield bisect_left(self._starts, match.start()), match[0]

    def list_keys(self) -> list[str]:
        """All texts in the order of their numbers."""
        return self._text.split("\n") if len(self) else []


class ByKey(Mapping[str, tuple[T, ...]], Generic[T]):
    """Values by key, created by a function of their positions on access.

    Keys without a value are not included. The order is that of the index.
    """

    __slots__ = ("_index", "_make", "_order", "_starts")

    def __init__(self, index: KeyIndex, numbers: Sequence[int], make: Callable[[int], T]) -> None:
        """``numbers`` has the number of the key of each position."""
        self._index, self._make = index, make
        self._order = array("H", sorted(range(len(numbers)), key=numbers.__getitem__))
        counts = [0] * len(index)
        for number in numbers:
            counts[number] += 1
        self._starts = array("H", [0])
        for count in counts:
            self._starts.append(self._starts[-1] + count)

    def of(self, number: int) -> tuple[T, ...]:
        """The values of a key by its number."""
        start, end = self._starts[number], self._starts[number + 1]
        return tuple(map(self._make, self._order[start:end])) if start != end else ()

    def alike(self, initial: str, shortest: int, longest: int) -> list[str]:
        """The keys with an initial and a length."""
        found = self._index.alike(initial, shortest, longest)
        return [key for number, key in found if self._starts[number] != self._starts[number + 1]]

    def __getitem__(self, key: str) -> tuple[T, ...]:
        number = self._index.find(key)
        if number is None or self._starts[number] == self._starts[number + 1]:
            raise KeyError(key)
        return self.of(number)

    def __contains__(self, key: object) -> bool:
        number = self._index.find(key) if isinstance(key, str) else None
        return number is not None and self._starts[number] != self._starts[number + 1]

    def __iter__(self) -> Iterator[str]:
        starts = self._starts
        keys = zip(self._index.list_keys(), starts, starts[1:], strict=False)
        return iter([key for key, start, end in keys if start != end])

    def __len__(self) -> int:
        return sum(start != end for start, end in zip(self._starts, self._starts[1:], strict=False))
