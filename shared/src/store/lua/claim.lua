#!lua flags=allow-oom
-- Gives ready jobs to a worker, each with a new fence and a lease, after a sweep of the queue: at most n of anybody's,
-- and then some more of tenants that have nothing running.
-- ARGV: 1 queue, 2 worker, 3 n, 4 lease_ms, 5 the time after which nobody reads the answer any more (0 = not known):
--       then nothing is given, because it would wait for the end of its lease, 6 how many more of tenants that have
--       nothing running, 7 jobs of a tenant that may run, unless its record says otherwise (0 = any number),
--       8 number of this claim among the worker's claims of this queue (0: not noted), 9 number of the last one whose
--       answer it read: what a later one gave, is given again first
-- Answers: { ms until something is due, now, { id, fence, attempt, input, record fields... }, ... }
--@prelude
local queue, worker, n, lease_ms, not_after = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local kept, number, read = tonumber(ARGV[6]), tonumber(ARGV[8]), tonumber(ARGV[9])
local SKIP, SKIP_EXPIRED = 1000, 10 -- ending a job costs as much as passing ten
local now = clock()
local reclaim = reclaim_allowed(now, lease_ms)
sweep(queue, now, reclaim)
if not_after > 0 and now > not_after then n, kept = 0, 0 end

-- How many more jobs of the tenant may run.
local seats = {}
local function seats_of(tenant)
  if not seats[tenant] then
    local max = queue == 'deliver' and 0 or limit_of(tenant, 'running_max', ARGV[7])
    seats[tenant] = max == 0 and math.huge or max - count_of(tenant, 'running')
  end
  return seats[tenant]
end

-- What is given is written down together at the end, as far as nothing before reads it.
local fence, turn = tonumber(redis.call('GET', P .. 'fence') or 0), nil
local started, turns, leases, waits, ids = {}, {}, {}, {}, {}
local answer = { 0, now }

-- A record as it is read and as Lua has it.
local function record_of(id)
  local record, job = redis.call('HGETALL', job_key(id)), {}
  for i = 1, #record, 2 do job[record[i]] = record[i + 1] end
  return record, job
end

local function take_slot()
  if n > 0 then n = n - 1 else kept = kept - 1 end
end

-- The answer to an earlier claim was lost, and with it what this worker holds by now: it is told again, or else each of
-- these jobs would wait for the end of its lease and lose an attempt.
local note = queue_key(queue, 'given:' .. worker)
local function give_again()
  local words = {}
  for word in string.gmatch(redis.call('GET', note) or '', '%S+') do words[#words + 1] = word end
  if tonumber(words[1] or 0) <= read then return end
  for at = 2, #words, 2 do
    local id, given = words[at], words[at + 1]
    local record, job = record_of(id)
    if job.status == 'running' and job.fence == given and n + kept > 0 then
      redis.call('ZADD', queue_key(queue, 'leases'), now + lease_ms, id)
      answer[#answer + 1] =
        { id, tonumber(given), tonumber(job.attempt), redis.call('GET', job_key(id) .. ':input') or '', record }
      take_slot()
    end
  end
end
if number > 0 and n + kept > 0 then give_again() end

local function note_given()
  if number == 0 or #answer == 2 then return end
  local words = { number }
  for i = 3, #answer do words[#words + 1], words[#words + 2] = answer[i][1], answer[i][2] end
  redis.call('SET', note, table.concat(words, ' '), 'PX', lease_ms)
end

-- The first job of the tenant's list is given to the worker, unless it was cancelled, expired or erased while it
-- stood there.
local function give(tenant)
  local id = redis.call('LPOP', queue_key(queue, 'ready:' .. tenant)) or ''
  local key, record, job = job_key(id), record_of(id)
  if job.status ~= 'queued' then return nil, 1 end
  local expires_at = tonumber(job.expires_at or 0)
  if expires_at > 0 and expires_at <= now then
    expire(queue, id, now) -- more expired at once than one sweep takes
    return nil, SKIP_EXPIRED
  end
  fence = fence + 1
  turn = (turn or tonumber(redis.call('GET', queue_key(queue, 'turns')) or 0)) + 1
  local attempt, seq = tonumber(job.lost or 0) + 1, tonumber(job.seq or 0) + 1
  local fields = { 'status', 'running', 'fence', fence, 'attempt', attempt, 'worker', worker, 'started_at', now }
  if queue ~= 'deliver' then
    fields[11], fields[12] = 'seq', seq
    event(id, 'job.started', '{"attempt":' .. attempt .. '}', now, seq)
  end
  redis.call('HSET', key, unpack(fields))
  if attempt == 1 then waits[#waits + 1] = now - tonumber(job.created_at or now) end
  started[tenant], turns[tenant] = (started[tenant] or 0) + 1, turn
  leases[#leases + 1], leases[#leases + 2], ids[#ids + 1] = now + lease_ms, id, id
  return { id, fence, attempt, redis.call('GET', key .. ':input') or '', record }, 0
end

local function write_down()
  if #ids == 0 then return end
  redis.call('SET', P .. 'fence', fence)
  redis.call('SET', queue_key(queue, 'turns'), turn)
  redis.call('ZADD', queue_key(queue, 'leases'), unpack(leases))
  redis.call('ZREM', queue_key(queue, 'expiry'), unpack(ids))
  for tenant, n in pairs(started) do
    count(queue, 'queued', tenant, -n)
    count(queue, 'running', tenant, n)
    redis.call('HSET', queue_key(queue, 'turn'), tenant, turns[tenant])
  end
  tally('wf_attempts_total{queue="' .. queue .. '"}', #ids)
  if #waits > 0 then observe('wf_job_wait_seconds', queue, waits) end
end

local tenants = queue_key(queue, 'tenants')
local skipped = 0
while n + kept > 0 and skipped < SKIP do
  local head = redis.call('ZRANGE', tenants, 0, 0, 'WITHSCORES')
  local tenant, score = head[1], tonumber(head[2])
  if not tenant or (n == 0 and score >= TURNS) then break end
  if seats_of(tenant) > 0 then
    local given, passed = give(tenant)
    skipped = skipped + passed
    if given then
      answer[#answer + 1] = given
      seats[tenant] = seats[tenant] - 1
      score = (math.floor(score / TURNS) + 1) * TURNS + turn
      take_slot()
    end
  end
  if redis.call('LLEN', queue_key(queue, 'ready:' .. tenant)) == 0 then
    redis.call('ZREM', tenants, tenant)
  elseif seats_of(tenant) <= 0 then
    park(tenant)
  else
    redis.call('ZADD', tenants, score, tenant)
  end
end
write_down()
note_given()

-- A quarter of a lease at most: whoever waits for work also tells that Redis is here (see reclaim_allowed).
local next_at = now + lease_ms / 4
for _, name in ipairs({ 'due', 'leases', 'expiry' }) do
  local head = redis.call('ZRANGE', queue_key(queue, name), 0, 0, 'WITHSCORES')
  if head[2] then next_at = math.min(next_at, tonumber(head[2])) end
end
answer[1] = math.max(next_at - now, reclaim and 0 or math.min(100, lease_ms / 4))
local head = redis.call('ZRANGE', tenants, 0, 0, 'WITHSCORES')
if head[1] then wake(queue, 'wake') end
if head[1] and tonumber(head[2]) < TURNS then wake(queue, 'wake_idle') end
return answer
