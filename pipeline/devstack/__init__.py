"""Real servers from packages, for demo and tests: Kafka, registry, provider simulator, Redis, PostgreSQL."""
