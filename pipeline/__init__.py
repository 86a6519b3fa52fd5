"""Exactly-once, key-ordered enrichment of Kafka events by a language model, with personal data taken out first."""

__version__ = "0.1.0"
