#!lua flags=allow-oom
-- Gives ready jobs to a worker, each with a new fence and a lease, after a sweep of the queue: at most n of anybody's,
-- and then some more of tenants that have nothing running.
-- ARGV: 1 queue, 2 worker, 3 n, 4 lease_ms, 5 the time after which nobody reads the answer any more (0 = not known):
--       then nothing is given, because it would wait for the end of its lease, 6 how many more of tenants that have
--       nothing running, 7 jobs of a tenant that may run, unless its record says otherwise (0 = any number),
--       8 number of this claim among the worker's claims of this queue (0: not noted), 9 number of the last one whose
--       answer it read: what a later one gave, is given again first
-- Answers: { ms until something is due, now, { id, fence, attempt, input, { the values of RECORD } }, ... }
--@prelude
local queue, worker, n, lease_ms, not_after = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local kept, number, read = tonumber(ARGV[6]), tonumber(ARGV[8]), tonumber(ARGV[9])
local SKIP, SKIP_EXPIRED = 1000, 10 -- ending a job costs as much as passing ten
local CHUNK, MORE = 64, 4 -- tenants, and jobs of one, that are read at once
local now = clock()
local now_text, lease_ends = tostring(now), tostring(now + lease_ms)
local reclaim = reclaim_allowed(now, lease_ms)

-- When the next of the jobs that wait for a time, run or may expire is to be looked at.
local function next_time()
  local at = math.huge
  for _, name in ipairs({ 'due', 'leases', 'expiry' }) do
    local head = redis.call('ZRANGE', queue_key(queue, name), 0, 0, 'WITHSCORES')
    if head[2] then at = math.min(at, tonumber(head[2])) end
  end
  return at
end
local next_at = next_time()
local swept = next_at <= now
if swept then sweep(queue, now, reclaim) end
if not_after > 0 and now > not_after then n, kept = 0, 0 end

-- What is given is written down together at the end, as far as nothing before reads it.
local fence, turn
local started, turns, leases, waits, ids, inputs = {}, {}, {}, {}, {}, {}
local answer = { 0, now }
news = {}

-- What is read of a record: `claim.rs` knows the same names in the same order, and takes those it needs.
local RECORD = { 'status', 'fence', 'attempt', 'lost', 'seq', 'v', 'created_at', 'expires_at', 'tenant', 'workflow_id',
  'version', 'timeout_ms', 'max_attempts', 'callback_url', 'metadata', 'retry_of', 'subject', 'tries', 'traceparent',
  'journal_bytes' }
local STATUS, FENCE, ATTEMPT, LOST, SEQ, V, CREATED_AT, EXPIRES_AT = 1, 2, 3, 4, 5, 6, 7, 8
local function record_of(id) return redis.call('HMGET', job_key(id), unpack(RECORD)) end

local function take_slot()
  if n > 0 then n = n - 1 else kept = kept - 1 end
end

local function told(id, fence_of_it, attempt, record)
  answer[#answer + 1] = { id, fence_of_it, attempt, '', record }
  inputs[#inputs + 1] = job_key(id) .. ':input'
  take_slot()
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
    local job = record_of(id)
    if job[STATUS] == 'running' and job[FENCE] == given and n + kept > 0 then
      redis.call('ZADD', queue_key(queue, 'leases'), now + lease_ms, id)
      told(id, tonumber(given), tonumber(job[ATTEMPT]), job)
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

-- A job of the tenant's list is given to the worker, unless it was cancelled, expired or erased while it stood there.
-- Answers whether it was, and how much passing it costs of SKIP.
local function give(tenant, id)
  local key, job = job_key(id), record_of(id)
  if job[STATUS] ~= 'queued' then return false, 1 end
  local expires_at = tonumber(job[EXPIRES_AT] or 0)
  if expires_at > 0 and expires_at <= now then
    expire(queue, id, now) -- more expired at once than one sweep takes
    swept = true
    return false, SKIP_EXPIRED
  end
  if not fence then
    local last = redis.call('MGET', P .. 'fence', queue_key(queue, 'turns'))
    fence, turn = tonumber(last[1] or 0), tonumber(last[2] or 0)
  end
  fence, turn = fence + 1, turn + 1
  local attempt, seq = tonumber(job[LOST] or 0) + 1, tonumber(job[SEQ] or 1) + 1
  local fields = { 'status', 'running', 'fence', tostring(fence), 'attempt', tostring(attempt), 'worker', worker,
    'started_at', now_text }
  if queue ~= 'deliver' then
    fields[11], fields[12] = 'seq', tostring(seq)
    if job[V] ~= '1' and seq == 2 then
      announce(id, seq, 'job.started')
    else
      local times = redis.call('HMGET', key, 'began_at', 'started_at')
      if job[V] ~= '1' and not times[1] and times[2] then fields[13], fields[14] = 'began_at', times[2] end
      event(id, 'job.started', '{"attempt":' .. attempt .. '}', now, seq)
    end
  end
  redis.call('HSET', key, unpack(fields))
  if attempt == 1 then waits[#waits + 1] = now - tonumber(job[CREATED_AT] or now) end
  started[tenant], turns[tenant] = (started[tenant] or 0) + 1, turn
  leases[#leases + 1], leases[#leases + 2], ids[#ids + 1] = lease_ends, id, id
  told(id, fence, attempt, job)
  return true, 0
end

local function write_down()
  if #ids == 0 then return end
  redis.call('MSET', P .. 'fence', fence, queue_key(queue, 'turns'), turn)
  redis.call('ZADD', queue_key(queue, 'leases'), unpack(leases))
  redis.call('ZREM', queue_key(queue, 'expiry'), unpack(ids))
  local served = {}
  local fewer = {}
  for tenant, n in pairs(started) do
    fewer[tenant] = -n
    served[#served + 1], served[#served + 2] = tenant, turns[tenant]
  end
  count_all(queue, 'queued', fewer)
  count_all(queue, 'running', started)
  redis.call('HSET', queue_key(queue, 'turn'), unpack(served))
  tally('wf_attempts_total{queue="' .. queue .. '"}', #ids)
  if #waits > 0 then observe('wf_job_wait_seconds', queue, waits) end
end

-- The tenants in their order, a stretch of the set at a time: line[first] is next, and those that are served stand
-- again where their new score puts them. What the set does not show yet is not before its last one that was read.
local tenants = queue_key(queue, 'tenants')
local line, first, loaded, stretch = {}, 1, 0, math.min(n + kept, CHUNK)
local last_read, all_read
local function before(a, b) return a.score < b.score or (a.score == b.score and a.tenant < b.tenant) end

local function stand(it)
  local low, high = first, #line + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if before(line[middle], it) then low = middle + 1 else high = middle end
  end
  table.insert(line, low, it)
end

-- Jobs of these tenants that run; `found` is what the set answers.
local running = {}
local function count_running(found)
  if queue == 'deliver' then return end
  local names = {}
  for i = 1, #found, 2 do names[#names + 1] = found[i] end
  for _, of in ipairs(LIMITED) do
    for i, n in ipairs(redis.call('HMGET', queue_key(of, 'running'), unpack(names))) do
      running[names[i]] = (running[names[i]] or 0) + tonumber(n or 0)
    end
  end
end

local function next_tenant()
  while not all_read and (not line[first] or before(last_read, line[first])) do
    local found = redis.call('ZRANGE', tenants, loaded, loaded + stretch - 1, 'WITHSCORES')
    if #found > 0 then count_running(found) end
    for i = 1, #found, 2 do
      last_read = { tenant = found[i], score = tonumber(found[i + 1]), ids = {}, at = 0, taken = 0 }
      stand(last_read)
    end
    loaded, all_read = loaded + stretch, #found < 2 * stretch
    last_read = last_read and { tenant = last_read.tenant, score = last_read.score }
  end
  return line[first]
end

-- The next job of the tenant's list; nil when there is none.
local function next_id(it)
  if it.at == #it.ids and not it.dry then
    local more = math.min(math.max(MORE, it.taken), CHUNK)
    it.ids = redis.call('LRANGE', queue_key(queue, 'ready:' .. it.tenant), it.taken, it.taken + more - 1)
    it.at, it.dry = 0, #it.ids < more
  end
  return it.ids[it.at + 1]
end

-- How many more jobs of the tenant may run.
local function seats_of(it)
  if not it.seats then
    local max = queue == 'deliver' and 0 or limit_of(it.tenant, 'running_max', ARGV[7])
    it.seats = max == 0 and math.huge or max - running[it.tenant]
  end
  return it.seats
end

local met, skipped = {}, 0
while n + kept > 0 and skipped < SKIP do
  local it = next_tenant()
  if not it or (n == 0 and it.score >= TURNS) then break end
  first = first + 1
  if not it.met then met[#met + 1], it.met = it, true end
  local id = seats_of(it) > 0 and next_id(it)
  if id then
    it.at, it.taken = it.at + 1, it.taken + 1
    -- An entry that cannot be read is dropped, or it would stop the queue.
    local read_well, given, passed = pcall(give, it.tenant, id)
    skipped = skipped + (read_well and passed or 1)
    if read_well and given then
      it.seats = it.seats - 1
      it.score = (math.floor(it.score / TURNS) + 1) * TURNS + turn
    end
  end
  if next_id(it) and seats_of(it) > 0 then stand(it) end
end

-- Where they stand from now on: in no set without a job, parked at their limit.
local gone, stay = {}, {}
for _, it in ipairs(met) do
  if it.taken > 0 then redis.call('LTRIM', queue_key(queue, 'ready:' .. it.tenant), it.taken, -1) end
  if not next_id(it) then
    gone[#gone + 1] = it.tenant
  elseif seats_of(it) <= 0 then
    park(it.tenant)
  else
    stay[#stay + 1], stay[#stay + 2] = it.score, it.tenant
  end
end
if #gone > 0 then redis.call('ZREM', tenants, unpack(gone)) end
if #stay > 0 then redis.call('ZADD', tenants, unpack(stay)) end
write_down()
note_given()
if #inputs > 0 then
  for i, input in ipairs(redis.call('MGET', unpack(inputs))) do answer[i + 2][4] = input or '' end
end

-- A quarter of a lease at most: whoever waits for work also tells that Redis is here (see reclaim_allowed).
local look_again = now + lease_ms / 4
if next_at < look_again and (swept or #ids > 0) then next_at = next_time() end
answer[1] = math.max(math.min(look_again, next_at) - now, reclaim and 0 or math.min(100, lease_ms / 4))
local head = redis.call('ZRANGE', tenants, 0, 0, 'WITHSCORES')
if head[1] then wake(queue, 'wake') end
if head[1] and tonumber(head[2]) < TURNS then wake(queue, 'wake_idle') end
publish_news()
return answer
