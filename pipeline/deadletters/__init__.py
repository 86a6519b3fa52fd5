"""Dead letters: what could not be enriched, why, and how it is sent again."""
