#!lua
-- Stores an API key; when it replaces another one, that one ends after a while. Under the tag of the keys.
-- ARGV: 1 id, 2 tenant, 3 expires_in_ms ('' = never), 4 id of the key it replaces or '', 5 ms until that one ends,
--       6.. fields (how many values, then field, value, ...)
-- Answers: 1 stored | 0 there is no key to replace
--@prelude
local id, tenant, old = ARGV[1], ARGV[2], ARGV[4]
local now = clock()

local function end_at(key, at)
  local known = tonumber(redis.call('HGET', key, 'expires_at') or '')
  if known and known <= at then return end
  redis.call('HSET', key, 'expires_at', at)
  redis.call('PEXPIREAT', key, at)
end

if old ~= '' then
  local old_key = P .. 'key:' .. old
  if redis.call('HGET', old_key, 'tenant') ~= tenant then return 0 end
  if ARGV[5] == '0' then redis.call('DEL', old_key) else end_at(old_key, now + tonumber(ARGV[5])) end
end
local key = P .. 'key:' .. id
redis.call('HSET', key, 'v', 1, 'id', id, 'tenant', tenant, 'created_at', now)
set_fields(key, 6)
if ARGV[3] ~= '' then end_at(key, now + tonumber(ARGV[3])) end
redis.call('ZADD', P .. 'keys', 0, id)
redis.call('ZADD', P .. 't:' .. tenant .. ':keys', 0, id)
return 1
