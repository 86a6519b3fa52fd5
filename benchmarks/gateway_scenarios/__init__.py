"""The scenarios of benchmarks/gateway.py, one a file."""
