"""Which offsets of one partition are finished: the contiguous prefix, and a bitmap of what is finished beyond it."""

from collections import deque


class Progress:
    """The progress of one partition during one assignment. Pure: no I/O, no clock, one thread.

    `start` is the committed offset (None: nothing was committed, the first record fetched decides), `finished` the
    bitmap that was committed with it, its bit 0 standing for offset `start & ~7`.

    Records come in offset order. An offset that never comes (a transaction marker, compaction, retention) is finished.
    """

    __slots__ = ("_base", "_bits", "_open", "next")

    def __init__(self, start: int | None = None, finished: bytes = b"") -> None:
        self.next = start
        """The offset after the last one known of; None before the first."""
        self._bits = bytearray(finished)
        self._open: deque[int] = deque()
        self._begin(start or 0)

    def fetched(self, offset: int) -> bool:
        """Notes that the record at `offset` has come; True when it has yet to be processed.

        False: an earlier owner finished it, or it came before in this assignment.
        """
        expected = self.next
        if expected is None:
            self._begin(offset)
        elif offset < expected:
            return False
        elif offset > expected:
            self._finish_run(expected, offset)
        self.next = offset + 1
        if self.is_finished(offset):
            return False
        self._open.append(offset)
        return True

    def reached(self, offset: int) -> None:
        """Notes that the partition ends before `offset`, with no record between the last one fetched and there."""
        if self.next is None:
            self._begin(offset)
            self.next = offset
        elif offset > self.next:
            self._finish_run(self.next, offset)
            self.next = offset

    def finish(self, offset: int) -> None:
        """Notes that the record at `offset`, fetched before, is finished."""
        self._mark(offset)
        waiting = self._open
        if waiting[0] == offset:
            waiting.popleft()
            while waiting and self.is_finished(waiting[0]):
                waiting.popleft()

    def is_finished(self, offset: int) -> bool:
        """Whether the record at `offset` was finished, in this assignment or before it."""
        index = offset - self._base
        return index < 0 or (index >> 3 < len(self._bits) and bool(self._bits[index >> 3] >> (index & 7) & 1))

    @property
    def prefix(self) -> int | None:
        """Every offset below is finished; the offset to commit. None before the first."""
        return self._open[0] if self._open else self.next

    @property
    def span(self) -> int:
        """Offsets from `prefix` to the last one fetched: what the bitmap has to describe."""
        return self.next - self._open[0] if self._open and self.next is not None else 0

    def snapshot(self) -> tuple[int, bytes]:
        """The offset to commit and the bitmap that belongs to it. Raises ValueError before the first offset is known.

        Bits may reach beyond the last record fetched: an earlier owner finished what has not come again yet.
        """
        prefix = self.prefix
        if prefix is None:
            raise ValueError("nothing was fetched yet")
        whole = (prefix - self._base) >> 3
        if whole > 0:
            del self._bits[:whole]
            self._base += 8 * whole
        bits = bytes(self._bits)
        if bits and prefix & 7:
            bits = bytes((bits[0] & (0xFF << (prefix & 7)) & 0xFF,)) + bits[1:]
        return prefix, bits

    def _begin(self, offset: int) -> None:
        """Puts bit 0 at the byte of `offset` and marks what that byte holds below it."""
        self._base = offset & ~7
        if below := (1 << (offset & 7)) - 1:
            self._bits[:1] = bytes(((self._bits[0] if self._bits else 0) | below,))

    def _mark(self, offset: int) -> None:
        index = offset - self._base
        missing = (index >> 3) + 1 - len(self._bits)
        if missing > 0:
            self._bits.extend(bytes(missing))
        self._bits[index >> 3] |= 1 << (index & 7)

    def _finish_run(self, first: int, end: int) -> None:
        """Marks [first, end); whole bytes at once, because a gap may be millions long."""
        if not self._open and not any(self._bits[max(0, (end - self._base) >> 3) :]):
            self._bits.clear()
            self._begin(end)
            return
        while first < end and (first & 7 or end - first < 8):
            self._mark(first)
            first += 1
        whole = (end - first) >> 3
        if whole:
            index = (first - self._base) >> 3
            self._bits.extend(bytes(max(0, index - len(self._bits))))
            self._bits[index : index + whole] = b"\xff" * whole
            first += 8 * whole
        for offset in range(first, end):
            self._mark(offset)
