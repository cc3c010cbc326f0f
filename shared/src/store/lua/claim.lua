#!lua flags=allow-oom
-- Gives at most n ready jobs to a worker, each with a new fence and a lease. First moves what is due, takes back
-- what crashed workers held and ends what waited too long, a bounded number each time.
-- ARGV: 1 queue, 2 worker, 3 n, 4 lease_ms
-- Answers: { ms until something is due, now, { id, fence, attempt, input, record fields... }, ... }
--@prelude
local queue, worker, n, lease_ms = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local now = clock()
local SWEEP, SKIP = 64, 1000
local due, leases, expiry, tenants =
  queue_key(queue, 'due'), queue_key(queue, 'leases'), queue_key(queue, 'expiry'), queue_key(queue, 'tenants')

local reclaim = reclaim_allowed(now, lease_ms)
if reclaim then
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, SWEEP)) do lose_attempt(id, now) end
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', expiry, '-inf', now, 'LIMIT', 0, SWEEP)) do
  local job = redis.call('HMGET', job_key(id), 'tenant', 'attempt', 'created_at')
  local waited = math.floor((now - tonumber(job[3])) / 1000)
  local what = tonumber(job[2]) > 0 and 'to be tried again' or 'for a free worker'
  end_waiting(queue, job[1], id)
  finalize(id, queue, job[1], 'failed', problem('expired', 'The job expired after ' .. waited .. ' s: it was waiting ' .. what .. '.'), now)
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, SWEEP)) do
  redis.call('ZREM', due, id)
  enqueue(queue, redis.call('HGET', job_key(id), 'tenant'), id)
end

local answer, skipped = { 0, now }, 0
while #answer - 2 < n and skipped < SKIP do
  local tenant = redis.call('ZRANGE', tenants, 0, 0)[1]
  if not tenant then break end
  local ready = queue_key(queue, 'ready:' .. tenant)
  local id = redis.call('LPOP', ready)
  local key = id and job_key(id)
  if id and redis.call('HGET', key, 'status') == 'queued' then
    local fence = redis.call('INCR', P .. 'fence')
    local attempt = tonumber(redis.call('HGET', key, 'lost')) + 1
    redis.call('HSET', key, 'status', 'running', 'fence', fence, 'attempt', attempt, 'worker', worker, 'started_at', now)
    end_waiting(queue, tenant, id)
    count(queue, 'running', tenant, 1)
    redis.call('HSET', queue_key(queue, 'turn'), tenant, redis.call('INCR', queue_key(queue, 'turns')))
    redis.call('ZADD', leases, now + lease_ms, id)
    if queue ~= 'deliver' then event(id, 'job.started', '{"attempt":' .. attempt .. '}', now) end
    answer[#answer + 1] = { id, fence, attempt, redis.call('GET', key .. ':input') or '', redis.call('HGETALL', key) }
  else
    skipped = skipped + 1 -- cancelled, expired or erased while it stood in the list
  end
  if redis.call('LLEN', ready) == 0 then redis.call('ZREM', tenants, tenant) else offer(queue, tenant) end
end

local next_at = now + 60000
for _, key in ipairs({ due, leases, expiry }) do
  local head = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  if head[2] then next_at = math.min(next_at, tonumber(head[2])) end
end
answer[1] = math.max(next_at - now, reclaim and 0 or 100)
if redis.call('ZCARD', tenants) > 0 then wake(queue) end
return answer
