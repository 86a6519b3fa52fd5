"""What is enriched, as data: a folder each with enrichment.yaml, prompts/<version>.md, golden.jsonl and checks.py."""
