"""Where the log of a chat is kept beyond one process, so that several servers are one: Redis Streams."""
