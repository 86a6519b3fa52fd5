"""What the dead-letter topics say, in SQLite, for lists and groups: made of the topics, and made anew when lost."""

from pipeline.deadletters.index.entry import Coordinates, Edit, Entry, Note, Operation, Outcome
from pipeline.deadletters.index.following import Follower
from pipeline.deadletters.index.grouping import Group, Stats
from pipeline.deadletters.index.store import Index

__all__ = ["Coordinates", "Edit", "Entry", "Follower", "Group", "Index", "Note", "Operation", "Outcome", "Stats"]
