-- What all scripts share. Every key of a tenant starts with KEYS[1], the shard's tag such as "{wf:0}:", so a
-- script touches one slot. Time is the clock of Redis, in milliseconds. Nothing here is O(backlog). Each script gets
-- only those of these definitions that it uses (script.rs): Redis runs all it is given at each call. So each begins with
-- `local` at the start of a line, and nothing else does. Numbers that are written often are given as text: Redis prints
-- a number of Lua with all its digits, which costs more than the command.
local P = KEYS[1]
local EVENTS_MAX, TURNS, SWEEP = 1000, 1e12, 64
local QUEUES = { 'generate', 'execute', 'deliver' }
local LIMITED = { 'generate', 'execute' } -- webhook messages are ours: no limit of a tenant holds them up
local PARKED = P .. 'parked'

local function clock()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Totals for operators: the key is the series as Prometheus writes it (metrics.rs). Nothing is decided by them.
local BUCKETS = { 0.005, 0.025, 0.1, 0.25, 1, 2.5, 10, 30, 60, 300, 1800, 86400 }

local function tally(series, more) redis.call('HINCRBY', P .. 'metrics', series, more or 1) end

-- Durations in milliseconds; their sum is kept in whole ones and told in seconds (measures.rs).
local function observe(name, queue, durations)
  local counts, sum = {}, 0
  for _, ms in ipairs(durations) do
    local bucket = '+Inf'
    ms = math.max(0, ms)
    for _, bound in ipairs(BUCKETS) do
      if ms <= bound * 1000 then bucket = tostring(bound) break end
    end
    counts[bucket] = (counts[bucket] or 0) + 1
    sum = sum + ms
  end
  for bucket, n in pairs(counts) do tally(name .. '_bucket{queue="' .. queue .. '",le="' .. bucket .. '"}', n) end
  tally(name .. '_sum_ms{queue="' .. queue .. '"}', sum)
end

local function job_key(id) return P .. 'job:' .. id end
local function queue_key(queue, name) return P .. 'q:' .. queue .. ':' .. name end

-- A limit of the tenant: its own record's, or else the configured one. 0 is no limit.
local function limit_of(tenant, name, configured)
  return tonumber(redis.call('HGET', P .. 'tenant:' .. tenant, name) or '') or tonumber(configured)
end

-- What a tenant used today (UTC): jobs, tool calls, tokens, and tokens set aside for calls that are under way.
local DAY_MS = 86400000
local function day_key(tenant, now) return P .. 't:' .. tenant .. ':day:' .. math.floor(now / DAY_MS) end

local function count_today(tenant, name, n, now)
  if n == 0 then return end
  local key = day_key(tenant, now)
  -- The first count of a kind may be the first of the day.
  if redis.call('HINCRBY', key, name, n) == n then redis.call('PEXPIRE', key, 2 * DAY_MS) end
end

-- ARGV[at..]: tool calls, tokens to set aside, input tokens, output tokens, tokens that are free again.
-- Answers nil, or which budget of the day is used up.
local function refused_today(tenant, calls_configured, tokens_configured, at, now)
  local calls, aside = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  if calls == 0 and aside == 0 then return nil end
  local day = redis.call('HMGET', day_key(tenant, now), 'tool_calls', 'input_tokens', 'output_tokens', 'aside')
  local calls_max = limit_of(tenant, 'tool_calls_per_day', calls_configured)
  local called = tonumber(day[1] or 0)
  if calls > 0 and calls_max > 0 and called + calls > calls_max then
    return 'spent tool_calls ' .. called .. ' ' .. calls_max
  end
  local tokens_max = limit_of(tenant, 'tokens_per_day', tokens_configured)
  local used = tonumber(day[2] or 0) + tonumber(day[3] or 0) + tonumber(day[4] or 0)
  if aside > 0 and tokens_max > 0 and used >= tokens_max then return 'spent tokens ' .. used .. ' ' .. tokens_max end
  return nil
end

local function begin_spending(tenant, at, now)
  count_today(tenant, 'tool_calls', tonumber(ARGV[at]), now)
  count_today(tenant, 'aside', tonumber(ARGV[at + 1]), now)
end

local function end_spending(tenant, at, now)
  count_today(tenant, 'input_tokens', tonumber(ARGV[at + 2]), now)
  count_today(tenant, 'output_tokens', tonumber(ARGV[at + 3]), now)
  local free = tonumber(ARGV[at + 4])
  if free == 0 then return end
  -- What was set aside before midnight is not set aside today.
  free = math.min(free, tonumber(redis.call('HGET', day_key(tenant, now), 'aside') or 0))
  count_today(tenant, 'aside', -free, now)
end

-- One token of each kind is enough: whoever takes it claims, and claim puts it back while work remains.
-- 'wake': there is work. 'wake_idle': there is work of a tenant that has nothing running, for which also the slots
-- are there that workers keep.
-- Nobody takes one while a script runs: each kind is looked after once.
local woken = {}
local function wake(queue, name)
  local key = queue_key(queue, name)
  if woken[key] then return end
  woken[key] = true
  if redis.call('LLEN', key) == 0 then redis.call('LPUSH', key, '1') end
end

-- A tenant stands in the set while it has ready jobs and is not parked; the lowest score goes first: fewest
-- running, then longest not served. Whatever changes either changes the score with it.
local function wake_for(queue, score)
  wake(queue, 'wake')
  if score < TURNS then wake(queue, 'wake_idle') end
end

local function offer(queue, tenants)
  local set, missing, lowest = queue_key(queue, 'tenants'), {}, math.huge
  for i, score in ipairs(redis.call('ZMSCORE', set, unpack(tenants))) do
    if score then lowest = math.min(lowest, tonumber(score)) else missing[#missing + 1] = tenants[i] end
  end
  if #missing > 0 then
    local parked = queue == 'deliver' and {} or redis.call('SMISMEMBER', PARKED, unpack(missing))
    local running = redis.call('HMGET', queue_key(queue, 'running'), unpack(missing))
    local turns = redis.call('HMGET', queue_key(queue, 'turn'), unpack(missing))
    local added = {}
    for i, tenant in ipairs(missing) do
      if parked[i] ~= 1 then
        local score = tonumber(running[i] or 0) * TURNS + tonumber(turns[i] or 0)
        added[#added + 1], added[#added + 2] = score, tenant
        lowest = math.min(lowest, score)
      end
    end
    if #added > 0 then redis.call('ZADD', set, unpack(added)) end
  end
  if lowest < math.huge then wake_for(queue, lowest) end
end

-- A tenant at its limit of running jobs is in no set until one of them ends.
local function park(tenant)
  redis.call('SADD', PARKED, tenant)
  for _, queue in ipairs(LIMITED) do redis.call('ZREM', queue_key(queue, 'tenants'), tenant) end
end

local function unpark(tenant)
  if redis.call('SREM', PARKED, tenant) == 0 then return end
  for _, queue in ipairs(LIMITED) do
    if redis.call('LLEN', queue_key(queue, 'ready:' .. tenant)) > 0 then offer(queue, { tenant }) end
  end
end

local function enqueue(queue, tenant, id, at_front)
  redis.call(at_front and 'LPUSH' or 'RPUSH', queue_key(queue, 'ready:' .. tenant), id)
  offer(queue, { tenant })
end

-- What `steps` says of each tenant is added to its count of jobs that wait ('queued') or run ('running').
local function count_all(queue, name, steps)
  local key, tenants, kept, gone = queue_key(queue, name), {}, {}, {}
  for tenant in pairs(steps) do tenants[#tenants + 1] = tenant end
  for i, count in ipairs(redis.call('HMGET', key, unpack(tenants))) do
    local tenant = tenants[i]
    local n = tonumber(count or 0) + steps[tenant]
    if n > 0 then kept[#kept + 1], kept[#kept + 2] = tenant, n else gone[#gone + 1] = tenant end
  end
  if #kept > 0 then redis.call('HSET', key, unpack(kept)) end
  if #gone > 0 then redis.call('HDEL', key, unpack(gone)) end
  return tenants
end

local function count(queue, name, tenant, step)
  local key = queue_key(queue, name)
  if redis.call('HINCRBY', key, tenant, step) <= 0 then redis.call('HDEL', key, tenant) end
end

-- The job waits again: counted, and given a place in the list of jobs that may expire.
local function begin_waiting(queue, tenant, id, expires_at)
  count(queue, 'queued', tenant, 1)
  if expires_at > 0 then redis.call('ZADD', queue_key(queue, 'expiry'), expires_at, id) end
end

local function end_waiting(queue, tenant, id)
  count(queue, 'queued', tenant, -1)
  redis.call('ZREM', queue_key(queue, 'expiry'), id)
  redis.call('ZREM', queue_key(queue, 'due'), id)
end

-- So many attempts of each tenant are over: their places among its running jobs are free.
local function end_attempts(queue, ended)
  local set, steps, moved, lowest = queue_key(queue, 'tenants'), {}, {}, math.huge
  for tenant, n in pairs(ended) do steps[tenant] = -n end
  local tenants, unoffered = count_all(queue, 'running', steps), {}
  for i, score in ipairs(redis.call('ZMSCORE', set, unpack(tenants))) do
    local tenant = tenants[i]
    if score then
      score = math.max(0, tonumber(score) - ended[tenant] * TURNS)
      moved[#moved + 1], moved[#moved + 2] = score, tenant
      lowest = math.min(lowest, score)
    else
      unoffered[#unoffered + 1] = tenant
    end
  end
  if #moved > 0 then
    redis.call('ZADD', set, unpack(moved))
    wake_for(queue, lowest)
  end
  if queue == 'deliver' or #unoffered == 0 then return end
  for i, parked in ipairs(redis.call('SMISMEMBER', PARKED, unpack(unoffered))) do
    if parked == 1 then unpark(unoffered[i]) end
  end
end

-- The attempt is over, and its lease.
local function end_running(queue, tenant, id)
  redis.call('ZREM', queue_key(queue, 'leases'), id)
  end_attempts(queue, { [tenant] = 1 })
end
