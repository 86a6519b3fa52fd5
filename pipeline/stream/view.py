"""What a worker is in its group at one moment."""

from dataclasses import dataclass

from pipeline.stream.assignment import Assignment


@dataclass(frozen=True, slots=True)
class View:
    """The proof of membership that a commit needs, and the partitions it may be used for: both of one moment.

    A commit with an older view is either right or refused by the broker, which knows a newer generation by then. One
    with a newer proof, for partitions of an older moment, could be accepted and be wrong.
    """

    proof: bytes | None
    """The group metadata as librdkafka packs it; None while not a member: the broker takes such a commit unfenced."""
    owned: frozenset[Assignment]


NOBODY = View(None, frozenset())
"""Before joining, and after the group was lost."""


def proof_of(packed: bytes) -> bytes | None:
    """`packed` group metadata, when it names a member of a generation; otherwise None.

    The form is `CGMDv2:`, generation (4 bytes), group, NUL, member, NUL, and what follows. Raises RuntimeError for
    another form: then the installed client library is not the one this was written for.
    """
    if packed[:7] != b"CGMDv2:":
        raise RuntimeError("the group metadata of this version of librdkafka has another form")
    generation = int.from_bytes(packed[7:11], "little", signed=True)
    member = packed[11:].split(b"\0", 2)[1]
    return packed if generation > 0 and member else None
