#!lua
-- Accepts jobs, each all or nothing: idempotency record, workflow and version when they are new, job record, queue entry.
-- They come in their order, and each finds what the ones before it wrote. It has no allow-oom flag: submits are what
-- stops when memory is short.
-- ARGV: 1 idempotency ttl ms, 2 most versions of a workflow, 3 most bytes of the store (0 = 80 % of maxmemory); then of
--       each job: 0 id, 1 queue, 2 tenant, 3 workflow, 4 expires_in_ms, 5 idempotency key or '', 6 fingerprint, 7 jobs of
--       the tenant that may wait, unless its record says otherwise (0 = any number), 8 input, 9 mode (new_workflow |
--       new_version | execute), 10 the newest version the client knows ('' = whichever), or for execution 'current' to
--       run the workflow's current one, 11 bytes of all this,
--       12.. job fields, and unless it is for execution workflow fields and version fields (each: how many values, then
--       field, value, ...)
-- Answers of each job: created | replayed <job> <workflow> | mismatch | no_workflow | not_ready <status of the workflow> |
-- changed | versions | full | no_room | error <what>
--@prelude
local idempotency_ttl, versions_max, bytes_max = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local now = clock()
local now_text = tostring(now)

-- What the jobs have in common is read once, and written once when all were looked at.
local job_keys, idempotency_keys = {}, {} -- by where the job begins
local tenants, workflows, queues, inputs, named_tenants = {}, {}, {}, {}, {}

local function of_tenant(tenant)
  local it = tenants[tenant]
  if not it then
    it = { index = {}, jobs = 0 }
    tenants[tenant] = it
    named_tenants[#named_tenants + 1] = tenant
  end
  return it
end

local function of_workflow(workflow)
  local it = workflows[workflow]
  if not it then
    local read = redis.call('HMGET', P .. 'wf:' .. workflow, 'tenant', 'version', 'status')
    it = { owner = read[1], version = read[2], status = read[3], index = {} }
    workflows[workflow] = it
  end
  return it
end

-- Jobs of a tenant that waited before; of all tenants that are named here, at once.
local waiting
local function waiting_of(tenant)
  if not waiting then
    waiting = {}
    for _, queue in ipairs(LIMITED) do
      for i, n in ipairs(redis.call('HMGET', queue_key(queue, 'queued'), unpack(named_tenants))) do
        waiting[named_tenants[i]] = (waiting[named_tenants[i]] or 0) + tonumber(n or 0)
      end
    end
  end
  return waiting[tenant]
end

local function is_full(tenant, it, configured)
  it.limit = it.limit or redis.call('HGET', P .. 'tenant:' .. tenant, 'queued_max') or ''
  local max = tonumber(it.limit) or tonumber(configured)
  if max <= 0 then return false end
  return waiting_of(tenant) + it.jobs >= max
end

-- The job and the workflow that an idempotency key stands for, and the fingerprint of what was asked with it.
local function known_as(key)
  local known = redis.pcall('GET', key)
  if type(known) ~= 'table' then return string.match(known or '', '^(%S+) (%S+) (.*)$') end
  known = redis.call('HMGET', key, 'job', 'workflow', 'fingerprint') -- as it was written before
  return known[1], known[2], known[3]
end

-- Memory is looked at when as much was accepted as there was room for at the last look. Finished jobs make room.
local RECORD_BYTES, LOOK_BYTES, ROOM_JOBS = 3000, 4194304, 32
local room, refused_bytes
local function has_room(bytes)
  if refused_bytes and bytes >= refused_bytes then return false end
  room = (room or tonumber(redis.call('GET', P .. 'room') or 0)) - bytes
  if room >= 0 then return true end
  local used, max = memory(bytes_max)
  if used + bytes > max and erase_oldest(ROOM_JOBS, now) > 0 then used, max = memory(bytes_max) end
  if used + bytes > max then
    room, refused_bytes = 0, bytes
    return false
  end
  room = math.floor(math.min((max - used) / 4, LOOK_BYTES))
  return true
end

-- The version a generate job will write, with its workflow when that is new too.
local function make_version(at, id, tenant, workflow, mode, fields_from)
  local workflow_key = P .. 'wf:' .. workflow
  if mode == 'new_workflow' then
    redis.call('HSET', workflow_key, 'v', 1, 'id', workflow, 'tenant', tenant, 'status', 'generating', 'version', 0,
      'last_version', 0, 'created_at', now)
    redis.call('ZADD', P .. 't:' .. tenant .. ':workflows', 0, workflow)
    of_workflow(workflow).owner = tenant
  end
  local version = redis.call('HINCRBY', workflow_key, 'last_version', 1)
  redis.call('HSET', workflow_key, 'updated_at', now, 'job', id)
  if redis.call('HGET', workflow_key, 'version') == '0' then
    redis.call('HSET', workflow_key, 'status', 'generating', 'error', '')
  end
  local version_fields = set_fields(workflow_key, fields_from)
  local version_key = workflow_key .. ':v:' .. version
  redis.call('HSET', version_key, 'v', 1, 'version', version, 'status', 'generating', 'job', id, 'created_at', now)
  set_fields(version_key, version_fields)
  redis.call('HSET', job_key(id), 'version', version)
end

-- What it is given, and where it stands in the indexes and in its queue, is written when all were looked at.
local function place(at, id, queue, tenant, workflow, expires_at)
  if ARGV[at + 8] ~= '' then inputs[#inputs + 1], inputs[#inputs + 2] = job_keys[at] .. ':input', ARGV[at + 8] end
  local mine, lines = of_tenant(tenant), queues[queue] or { expiry = {}, ready = {} }
  queues[queue] = lines
  mine.jobs = mine.jobs + 1
  mine.index[#mine.index + 1], mine.index[#mine.index + 2] = '0', id
  local index = of_workflow(workflow).index
  index[#index + 1], index[#index + 2] = '0', id
  lines.expiry[#lines.expiry + 1], lines.expiry[#lines.expiry + 2] = expires_at, id
  local ready = lines.ready[tenant] or {}
  lines.ready[tenant] = ready
  ready[#ready + 1] = id
end

-- Whether any of these jobs or keys was there before; if none was, only what is named twice here has to be looked at.
local met, all_new = {}, false
local function accept(at)
  local id, queue, tenant, workflow, key, mode = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 5], ARGV[at + 9]
  local its_key, idempotency_key = job_keys[at], idempotency_keys[at] or ''
  local was_there = not all_new or met[its_key] or met[idempotency_key]
  met[its_key], met[idempotency_key] = true, key ~= ''
  if was_there and key ~= '' then
    local job, its_workflow, fingerprint = known_as(idempotency_key)
    if job and fingerprint ~= ARGV[at + 6] then return 'mismatch' end
    if job then return 'replayed ' .. job .. ' ' .. its_workflow end
  end
  if was_there and redis.call('EXISTS', its_key) == 1 then return 'replayed ' .. id .. ' ' .. workflow end
  if mode ~= 'new_workflow' and of_workflow(workflow).owner ~= tenant then return 'no_workflow' end
  local current = mode == 'execute' and ARGV[at + 10] == 'current' and of_workflow(workflow).version
  if current == '0' then return 'not_ready ' .. of_workflow(workflow).status end
  if mode == 'new_version' then
    local newest = redis.call('HGET', P .. 'wf:' .. workflow, 'last_version')
    if ARGV[at + 10] ~= '' and ARGV[at + 10] ~= newest then return 'changed' end
    if tonumber(newest) >= versions_max then return 'versions' end
  end
  if is_full(tenant, of_tenant(tenant), ARGV[at + 7]) then return 'full' end
  if not has_room(RECORD_BYTES + tonumber(ARGV[at + 11])) then return 'no_room' end

  -- What is not there of a record of version 2 has its first value: seq 1, lost and attempt 0.
  local expires_at = tostring(now + tonumber(ARGV[at + 4]))
  local fields, next_at = fields_at(at + 12, { 'v', '2', 'id', id, 'queue', queue, 'tenant', tenant, 'workflow_id', workflow,
    'status', 'queued', 'fence', '0', 'created_at', now_text, 'expires_at', expires_at })
  if current then fields[#fields + 1], fields[#fields + 2] = 'version', current end
  redis.call('HSET', its_key, unpack(fields))
  if mode ~= 'execute' then make_version(at, id, tenant, workflow, mode, next_at) end
  if key ~= '' then
    redis.call('SET', idempotency_key, id .. ' ' .. workflow .. ' ' .. ARGV[at + 6], 'PX', idempotency_ttl)
  end
  place(at, id, queue, tenant, workflow, expires_at)
  return 'created'
end

local begins, named, at = {}, {}, 4
while at <= #ARGV do
  local tenant, key = ARGV[at + 2], ARGV[at + 5]
  of_tenant(tenant)
  begins[#begins + 1], job_keys[at] = at, job_key(ARGV[at])
  named[#named + 1] = job_keys[at]
  if key ~= '' then
    idempotency_keys[at] = P .. 'idem:' .. tenant .. ':' .. key
    named[#named + 1] = idempotency_keys[at]
  end
  local lists = ARGV[at + 9] == 'execute' and 1 or 3
  at = at + 12
  for _ = 1, lists do at = after_fields(at) end
end
all_new = redis.call('EXISTS', unpack(named)) == 0
local answers = {}
for _, at in ipairs(begins) do answers[#answers + 1] = answer_of(accept, at) end

if #inputs > 0 then redis.call('MSET', unpack(inputs)) end
for tenant, mine in pairs(tenants) do
  if mine.jobs > 0 then
    redis.call('ZADD', P .. 't:' .. tenant .. ':jobs', unpack(mine.index))
    count_today(tenant, 'jobs', mine.jobs, now)
  end
end
for workflow, its in pairs(workflows) do
  if #its.index > 0 then redis.call('ZADD', P .. 'wf:' .. workflow .. ':jobs', unpack(its.index)) end
end
for queue, lines in pairs(queues) do
  redis.call('ZADD', queue_key(queue, 'expiry'), unpack(lines.expiry))
  local more = {}
  for tenant, ready in pairs(lines.ready) do
    redis.call('RPUSH', queue_key(queue, 'ready:' .. tenant), unpack(ready))
    more[tenant] = #ready
  end
  offer(queue, count_all(queue, 'queued', more))
end
if room then redis.call('SET', P .. 'room', room) end
return answers
