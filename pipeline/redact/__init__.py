"""Personal data out and back in. Knows nothing of Kafka or language models."""
