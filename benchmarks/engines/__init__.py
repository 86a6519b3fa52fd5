"""The engine beside its peers: the same tickets, broker, provider and concurrency for all. See README.md."""
