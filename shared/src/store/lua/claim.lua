#!lua flags=allow-oom
-- Gives at most n ready jobs to a worker, each with a new fence and a lease, after a sweep of the queue.
-- ARGV: 1 queue, 2 worker, 3 n, 4 lease_ms, 5 the time after which nobody reads the answer any more (0 = not known):
--       then nothing is given, because it would wait for the end of its lease
-- Answers: { ms until something is due, now, { id, fence, attempt, input, record fields... }, ... }
--@prelude
local queue, worker, n, lease_ms, not_after = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local SKIP, SKIP_EXPIRED = 1000, 10 -- ending a job costs as much as passing ten
local now = clock()
local reclaim = reclaim_allowed(now, lease_ms)
sweep(queue, now, reclaim)
if not_after > 0 and now > not_after then n = 0 end

local tenants = queue_key(queue, 'tenants')
local answer, skipped = { 0, now }, 0
while #answer - 2 < n and skipped < SKIP do
  local tenant = redis.call('ZRANGE', tenants, 0, 0)[1]
  if not tenant then break end
  local ready = queue_key(queue, 'ready:' .. tenant)
  local id = redis.call('LPOP', ready) or ''
  local key = job_key(id)
  local job = redis.call('HMGET', key, 'status', 'lost', 'expires_at')
  local expires_at = tonumber(job[3] or 0)
  if job[1] ~= 'queued' then
    skipped = skipped + 1 -- cancelled, expired or erased while it stood in the list
  elseif expires_at > 0 and expires_at <= now then
    expire(queue, id, now) -- more expired at once than one sweep takes
    skipped = skipped + SKIP_EXPIRED
  else
    local fence = redis.call('INCR', P .. 'fence')
    local attempt = tonumber(job[2]) + 1
    redis.call('HSET', key, 'status', 'running', 'fence', fence, 'attempt', attempt, 'worker', worker, 'started_at', now)
    end_waiting(queue, tenant, id)
    count(queue, 'running', tenant, 1)
    redis.call('HSET', queue_key(queue, 'turn'), tenant, redis.call('INCR', queue_key(queue, 'turns')))
    redis.call('ZADD', queue_key(queue, 'leases'), now + lease_ms, id)
    if queue ~= 'deliver' then event(id, 'job.started', '{"attempt":' .. attempt .. '}', now) end
    answer[#answer + 1] = { id, fence, attempt, redis.call('GET', key .. ':input') or '', redis.call('HGETALL', key) }
  end
  if redis.call('LLEN', ready) == 0 then redis.call('ZREM', tenants, tenant) else offer(queue, tenant) end
end

-- A quarter of a lease at most: whoever waits for work also tells that Redis is here (see reclaim_allowed).
local next_at = now + lease_ms / 4
for _, name in ipairs({ 'due', 'leases', 'expiry' }) do
  local head = redis.call('ZRANGE', queue_key(queue, name), 0, 0, 'WITHSCORES')
  if head[2] then next_at = math.min(next_at, tonumber(head[2])) end
end
answer[1] = math.max(next_at - now, reclaim and 0 or math.min(100, lease_ms / 4))
if redis.call('ZCARD', tenants) > 0 then wake(queue) end
return answer
