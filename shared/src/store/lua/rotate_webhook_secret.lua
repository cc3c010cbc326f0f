#!lua
-- Puts a new sealed secret in the place of the one the caller saw, which goes on signing for a while.
-- ARGV: 1 tenant, 2 what was seen, 3 the new one, 4 overlap ms    Answers: 1 rotated | 0 somebody else was faster
--@prelude
local key = P .. 't:' .. ARGV[1] .. ':webhook_secret'
if redis.call('HGET', key, 'sealed') ~= ARGV[2] then return 0 end
redis.call('HSET', key, 'sealed', ARGV[3])
if ARGV[4] == '0' then
  redis.call('HDEL', key, 'previous', 'previous_expires_at')
else
  redis.call('HSET', key, 'previous', ARGV[2], 'previous_expires_at', clock() + tonumber(ARGV[4]))
end
return 1
