"""The table of patterns: what structured personal data looks like. One entry, with its test cases, per form."""
