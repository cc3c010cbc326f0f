#!lua flags=allow-oom
-- Counts one request of a tenant (GCRA): a minute's worth at once, then as fast as the minute gives it back.
-- ARGV: 1 tenant, 2 requests a minute, unless its record says otherwise (0 = no limit)
-- Answers: { 1 allowed | 0 not, limit, how many are left, ms until all are back, ms until one more is }
--@prelude
local tenant = ARGV[1]
local limit = limit_of(tenant, 'requests_per_minute', ARGV[2])
if limit <= 0 then return { 1, 0, 0, 0, 0 } end
local WINDOW = 60000
local t = redis.call('TIME')
local now = t[1] * 1000 + t[2] / 1000
local key = P .. 't:' .. tenant .. ':rate'
local interval = WINDOW / limit
-- The time at which everything counted so far is paid back. Nothing is owed longer than a window, whatever the clock did.
local owed_until = math.min(math.max(tonumber(redis.call('GET', key) or now), now), now + WINDOW)
local owed = owed_until + interval - now
if owed > WINDOW + 0.001 then
  return { 0, limit, 0, math.ceil(owed_until - now), math.ceil(owed - WINDOW) }
end
redis.call('SET', key, string.format('%.3f', now + owed), 'PX', math.ceil(owed))
return { 1, limit, math.floor((WINDOW - owed) / interval + 0.001), math.ceil(owed), 0 }
