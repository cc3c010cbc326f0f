#!lua flags=allow-oom
-- Once a second from every api process: notes that Redis is here, sweeps the queues (jobs expire and crashed
-- workers are noticed though no worker asks for work), and erases what was kept long enough, or has to make room.
-- ARGV: 1 lease_ms, 2 retention_ms, 3 most to erase, 4 most bytes of the store (0 = 80 % of maxmemory)
-- Answers: how many were erased
--@prelude
local now = clock()
local reclaim = reclaim_allowed(now, tonumber(ARGV[1]))
for _, queue in ipairs(QUEUES) do sweep(queue, now, reclaim) end
local old = redis.call('ZRANGEBYSCORE', P .. 'finals', '-inf', now - tonumber(ARGV[2]), 'LIMIT', 0, tonumber(ARGV[3]))
for _, id in ipairs(old) do erase(id) end
-- A limit may have been raised: a few tenants at theirs are offered again, and claim parks those that still are.
for _, tenant in ipairs(redis.call('SRANDMEMBER', PARKED, 16)) do unpark(tenant) end
-- A little before submits have to: they find room then.
local erased = #old
local used, max = memory(ARGV[4])
if used > max * 0.95 and erased < tonumber(ARGV[3]) then
  erased = erased + erase_oldest(tonumber(ARGV[3]) - erased, now)
end
return erased
