"""What `make demo` shows: invented tickets and claims, an ordinary bad day, and a balance read from the topics."""
