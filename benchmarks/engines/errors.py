"""What the comparison tells instead of a figure."""


class LeftOutError(Exception):
    """A peer that cannot be built or run on this machine; the message says why."""
