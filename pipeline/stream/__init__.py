"""Exactly-once, key-ordered, highly concurrent stream engine on Kafka. Knows nothing of language models."""
