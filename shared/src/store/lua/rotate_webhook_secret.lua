#!lua
-- Puts a new sealed secret in the place of the one the caller saw, which goes on signing for a while. Under an idempotency
-- key, once.
-- ARGV: 1 tenant, 2 what was seen, 3 the new one, 4 overlap ms, 5 record of the idempotency key or '', 6 fingerprint, 7 ttl ms
-- Answers: { 'rotated' } | { 'again' } somebody else was faster | { 'made', fingerprint, '' } under this key, before
--@prelude
local key, made_key = P .. 't:' .. ARGV[1] .. ':webhook_secret', P .. ARGV[5]
if ARGV[5] ~= '' then
  local fingerprint = redis.call('HGET', made_key, 'fingerprint')
  if fingerprint then return { 'made', fingerprint, '' } end
end
if redis.call('HGET', key, 'sealed') ~= ARGV[2] then return { 'again' } end
redis.call('HSET', key, 'sealed', ARGV[3])
if ARGV[4] == '0' then
  redis.call('HDEL', key, 'previous', 'previous_expires_at')
else
  redis.call('HSET', key, 'previous', ARGV[2], 'previous_expires_at', clock() + tonumber(ARGV[4]))
end
if ARGV[5] ~= '' then
  redis.call('HSET', made_key, 'fingerprint', ARGV[6])
  redis.call('PEXPIRE', made_key, ARGV[7])
end
return { 'rotated' }
