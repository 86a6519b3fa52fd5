"""A provider that is not one: speaks OpenAI's and Anthropic's wires with quotas, latencies and faults of one's choice.

`python -m pipeline.simulator` runs it. Policy (draws, latency, faults, quota) is apart from `server.py`, the only I/O.
Every answer says that it is simulated.
"""
