"""The vendors' wires: one call out, one reply or one classified failure back."""
