#!lua
-- Changes a field of a hash when it holds what the caller saw: sealed text is opened and sealed by the caller, so
-- two who change it at once must not undo each other.
-- ARGV: 1 key without the tag, 2 field, 3 what it held ('' for nothing), 4 what it shall hold ('' for nothing)
-- Answers: 1 changed | 0 it holds something else
local key = KEYS[1] .. ARGV[1]
if (redis.call('HGET', key, ARGV[2]) or '') ~= ARGV[3] then return 0 end
if ARGV[4] == '' then redis.call('HDEL', key, ARGV[2]) else redis.call('HSET', key, ARGV[2], ARGV[4]) end
return 1
