"""What Redis does at once and undivided, in Lua. Every script is told the epoch of the log that it is meant for, and
does nothing to another.

Keys: META is a hash of `epoch` and `last`, the position of the last batch; LOG a stream whose ids are `position-0`;
SNAPSHOTS a stream, where what was known at a position stands under the id of the batch that follows it.
"""

APPEND = """
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 0 end
local position = redis.call('HINCRBY', KEYS[1], 'last', 1)
redis.call('XADD', KEYS[2], position .. '-0', 'epoch', ARGV[1], 'batch', ARGV[2])
return position
"""
"""META, LOG; epoch, batch. The position it has now; 0 where the log is another."""

BEGIN = """
if (redis.call('HGET', KEYS[1], 'epoch') or '') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
redis.call('HSET', KEYS[1], 'epoch', ARGV[2], 'last', ARGV[3])
redis.call('XADD', KEYS[3], (ARGV[3] + 1) .. '-0', 'snapshot', ARGV[4])
return 1
"""
"""META, LOG, SNAPSHOTS; the epoch that is lost (or nothing), the new one, a position, what is known there. 0 where
somebody else was first."""

SAVE = """
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 0 end
local added = redis.pcall('XADD', KEYS[3], (ARGV[2] + 1) .. '-0', 'snapshot', ARGV[3])
if type(added) == 'table' then return 0 end
redis.call('XTRIM', KEYS[3], 'MAXLEN', 3)
redis.call('XTRIM', KEYS[2], 'MINID', redis.call('XRANGE', KEYS[3], '-', '+', 'COUNT', 1)[1][1])
return 1
"""
"""META, LOG, SNAPSHOTS; epoch, position, what is known there. The three latest are kept, and the log from the oldest of
them on."""
