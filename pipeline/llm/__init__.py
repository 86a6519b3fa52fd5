"""The gateway to language models. Knows nothing of Kafka."""
