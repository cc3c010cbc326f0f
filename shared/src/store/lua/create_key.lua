#!lua
-- Stores an API key; when it replaces another one, that one ends after a while. Under an idempotency key, once. Under the
-- tag of the keys.
-- ARGV: 1 id, 2 tenant, 3 expires_in_ms ('' = never), 4 id of the key it replaces or '', 5 ms until that one ends,
--       6 record of the idempotency key or '', 7 fingerprint, 8 ttl ms, 9.. fields (how many values, then field, value, ...)
-- Answers: { 1, '', '' } stored | { 0, '', '' } there is no key to replace | { 2, fingerprint, id } made before
--@prelude
local id, tenant, old = ARGV[1], ARGV[2], ARGV[4]
local now = clock()
local made_key = P .. ARGV[6]

if ARGV[6] ~= '' then
  local known = redis.call('HMGET', made_key, 'fingerprint', 'id')
  if known[1] then return { 2, known[1], known[2] } end
end

local function end_at(key, at)
  local known = tonumber(redis.call('HGET', key, 'expires_at') or '')
  if known and known <= at then return end
  redis.call('HSET', key, 'expires_at', at)
  redis.call('PEXPIREAT', key, at)
end

if old ~= '' then
  local old_key = P .. 'key:' .. old
  if redis.call('HGET', old_key, 'tenant') ~= tenant then return { 0, '', '' } end
  if ARGV[5] == '0' then redis.call('DEL', old_key) else end_at(old_key, now + tonumber(ARGV[5])) end
end
local key = P .. 'key:' .. id
redis.call('HSET', key, 'v', 1, 'id', id, 'tenant', tenant, 'created_at', now)
set_fields(key, 9)
-- Where the tenant lives, so that one look at the key tells it; without it, on shard 0.
local shard = redis.call('HGET', P .. 'shards', tenant)
if shard then redis.call('HSET', key, 'shard', shard) end
if ARGV[3] ~= '' then end_at(key, now + tonumber(ARGV[3])) end
redis.call('ZADD', P .. 'keys', 0, id)
redis.call('ZADD', P .. 't:' .. tenant .. ':keys', 0, id)
if ARGV[6] ~= '' then
  redis.call('HSET', made_key, 'fingerprint', ARGV[7], 'id', id)
  redis.call('PEXPIRE', made_key, ARGV[8])
end
return { 1, '', '' }
