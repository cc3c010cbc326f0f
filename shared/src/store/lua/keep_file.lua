#!lua flags=allow-oom
-- Keeps what is known of an uploaded file, and that it was made under an idempotency key: both or neither.
-- ARGV: 1 the key's record, 2 fingerprint, 3 ttl ms, 4 the tenant's files, 5 the file's id, 6 the file
-- Answers: { 'held' } kept | { 'made', fingerprint, id } somebody else made one, because the key was not held any more
--@prelude
local key, id = P .. ARGV[1], ARGV[5]
local known = redis.call('HMGET', key, 'fingerprint', 'id')
if known[1] then return { 'made', known[1], known[2] } end
redis.call('HSET', P .. ARGV[4], id, ARGV[6])
redis.call('HDEL', key, 'holder')
redis.call('HSET', key, 'fingerprint', ARGV[2], 'id', id)
redis.call('PEXPIRE', key, ARGV[3])
return { 'held' }
