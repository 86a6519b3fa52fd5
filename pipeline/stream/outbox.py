"""What is finished and not yet committed: taken for a transaction, given back when it failed. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from pipeline.stream import metadata
from pipeline.stream.assignment import Assignment, Finished, Name, Phase
from pipeline.stream.progress import Progress
from pipeline.stream.record import Output
from pipeline.stream.view import View


@dataclass(frozen=True, slots=True)
class Share:
    """What one partition brings to a transaction."""

    assignment: Assignment
    finished: Sequence[Finished]
    offset: int
    metadata: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """An output that will never be taken."""

    share: Share
    finished: Finished
    output: Output
    reason: str


class Outbox:
    """The finished records of all assignments, at most one transaction's worth of them taken at a time."""

    def __init__(
        self, assignments: Callable[[], Iterable[Assignment]], weigh: Callable[[Assignment, int], None]
    ) -> None:
        """`weigh` is told how long the commit metadata of an assignment has become."""
        self._assignments = assignments
        self._weigh = weigh
        self._taken: tuple[Share, ...] = ()

    def dirty(self) -> frozenset[Name]:
        """The partitions of which there is something to commit."""
        return frozenset(assignment.name for assignment in self._assignments() if assignment.dirty)

    def take(self, view: View) -> tuple[Share, ...]:
        """All that is finished and may be committed with the proof in `view`; to be ended by one of the next two."""
        shares = []
        for assignment in self._assignments():
            if not assignment.dirty or assignment.unsure:
                continue
            offset, finished = assignment.progress.snapshot()
            text = metadata.encode(finished)
            self._weigh(assignment, len(text))
            if assignment not in view.owned or len(text) > metadata.LIMIT:
                continue
            shares.append(Share(assignment, assignment.finished, offset, text))
            assignment.finished = []
            assignment.dirty = False
        self._taken = tuple(shares)
        return self._taken

    def committed(self) -> tuple[Share, ...]:
        """The transaction was committed; what was in it."""
        taken, self._taken = self._taken, ()
        return taken

    def give_back(self, *, unsure: bool) -> None:
        """The transaction was aborted, or (`unsure`) nobody knows; what was in it waits for another one."""
        taken, self._taken = self._taken, ()
        for share in taken:
            assignment = share.assignment
            if assignment.phase is not Phase.GONE:
                assignment.finished[:0] = share.finished
                assignment.dirty = True
                assignment.unsure |= unsure

    def replace(self, refusal: Refusal, outputs: tuple[Output, ...]) -> None:
        """Other outputs for a record, given back before, whose output was refused."""
        assignment = refusal.share.assignment
        for index, one in enumerate(assignment.finished):
            if one.record is refusal.finished.record:
                assignment.finished[index] = replace(one, outputs=outputs, refusals=one.refusals + 1)

    def unsure(self) -> list[Assignment]:
        """Assignments of which a transaction may or may not have been committed."""
        return [assignment for assignment in self._assignments() if assignment.unsure]

    @staticmethod
    def reconcile(assignment: Assignment, known: Progress) -> list[Finished]:
        """Drops what the broker has already, by what the group has committed (`known`); says what that was.

        Only right after the producer of that transaction was fenced, and with no transaction pending.
        """
        done = [one for one in assignment.finished if known.is_finished(one.record.offset)]
        assignment.finished = [one for one in assignment.finished if not known.is_finished(one.record.offset)]
        assignment.unsure = False
        return done

    def is_settled(self, assignment: Assignment) -> bool:
        """Whether all that is finished of it is committed."""
        return not assignment.dirty and all(share.assignment is not assignment for share in self._taken)
