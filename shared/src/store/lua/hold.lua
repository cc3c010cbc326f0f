#!lua
-- Holds an idempotency key for whoever makes a thing that takes a while, for a while; holds on to it; lets it go.
-- ARGV: 1 the key's record, 2 who holds it, 3 ms until it is free again by itself (0 = now)
-- Answers: { 'held' } | { 'busy' } somebody else holds it | { 'made', fingerprint, id }
--@prelude
local key = P .. ARGV[1]
local known = redis.call('HMGET', key, 'fingerprint', 'id', 'holder')
if known[1] then return { 'made', known[1], known[2] } end
if known[3] and known[3] ~= ARGV[2] then return { 'busy' } end
redis.call('HSET', key, 'holder', ARGV[2])
redis.call('PEXPIRE', key, ARGV[3])
return { 'held' }
