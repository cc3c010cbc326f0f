#!lua
-- Accepts a job: idempotency record, workflow and version when they are new, job record, queue entry, all or
-- nothing. It has no allow-oom flag: submits are what stops when memory is short.
-- ARGV: 1 id, 2 queue, 3 tenant, 4 workflow, 5 expires_in_ms, 6 idempotency key or '', 7 fingerprint,
--       8 idempotency ttl ms, 9 jobs of the tenant that may wait, unless its record says otherwise (0 = any number),
--       10 input, 11 mode (new_workflow | new_version | execute), 12 the newest version the client knows ('' = whichever),
--       13 most versions of a workflow, 14 most bytes of the store (0 = 80 % of maxmemory),
--       15.. job fields, workflow fields, version fields (each: how many values, then field, value, ...)
--@prelude
local id, queue, tenant, workflow = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local now = clock()
local workflow_key = P .. 'wf:' .. workflow
local idempotency_key = P .. 'idem:' .. tenant .. ':' .. ARGV[6]

if ARGV[6] ~= '' then
  local known = redis.call('HMGET', idempotency_key, 'fingerprint', 'job', 'workflow')
  if known[1] then
    if known[1] ~= ARGV[7] then return { 'mismatch' } end
    return { 'replayed', known[2], known[3] }
  end
end
if redis.call('EXISTS', job_key(id)) == 1 then return { 'replayed', id, workflow } end
if ARGV[11] ~= 'new_workflow' and redis.call('HGET', workflow_key, 'tenant') ~= tenant then return { 'no_workflow' } end
if ARGV[11] == 'new_version' then
  local newest = redis.call('HGET', workflow_key, 'last_version')
  if ARGV[12] ~= '' and ARGV[12] ~= newest then return { 'changed' } end
  if tonumber(newest) >= tonumber(ARGV[13]) then return { 'versions' } end
end
local queued_max = limit_of(tenant, 'queued_max', ARGV[9])
if queued_max > 0 and count_of(tenant, 'queued') >= queued_max then return { 'full' } end

-- Memory is looked at when as much was accepted as there was room for at the last look. Finished jobs make room.
local RECORD_BYTES, LOOK_BYTES, ROOM_JOBS = 3000, 4194304, 32
local bytes = RECORD_BYTES
for i = 1, #ARGV do bytes = bytes + #ARGV[i] end
if redis.call('DECRBY', P .. 'room', bytes) < 0 then
  local used, max = memory(ARGV[14])
  if used + bytes > max and erase_oldest(ROOM_JOBS, now) > 0 then used, max = memory(ARGV[14]) end
  if used + bytes > max then
    redis.call('SET', P .. 'room', 0)
    return { 'no_room' }
  end
  redis.call('SET', P .. 'room', math.floor(math.min((max - used) / 4, LOOK_BYTES)))
end

local expires_at = now + tonumber(ARGV[5])
local key = job_key(id)
local fields, at = fields_at(15, { 'v', 1, 'id', id, 'queue', queue, 'tenant', tenant, 'workflow_id', workflow,
  'status', 'queued', 'lost', 0, 'attempt', 0, 'fence', 0, 'seq', 1, 'created_at', now, 'expires_at', expires_at })
redis.call('HSET', key, unpack(fields))
if ARGV[10] ~= '' then redis.call('SET', key .. ':input', ARGV[10]) end
redis.call('ZADD', P .. 't:' .. tenant .. ':jobs', 0, id)
redis.call('ZADD', P .. 'wf:' .. workflow .. ':jobs', 0, id)

if ARGV[11] ~= 'execute' then
  if ARGV[11] == 'new_workflow' then
    redis.call('HSET', workflow_key, 'v', 1, 'id', workflow, 'tenant', tenant, 'status', 'generating', 'version', 0,
      'last_version', 0, 'created_at', now)
    redis.call('ZADD', P .. 't:' .. tenant .. ':workflows', 0, workflow)
  end
  local version = redis.call('HINCRBY', workflow_key, 'last_version', 1)
  redis.call('HSET', workflow_key, 'updated_at', now, 'job', id)
  if redis.call('HGET', workflow_key, 'version') == '0' then
    redis.call('HSET', workflow_key, 'status', 'generating', 'error', '')
  end
  at = set_fields(workflow_key, at)
  local version_key = workflow_key .. ':v:' .. version
  redis.call('HSET', version_key, 'v', 1, 'version', version, 'status', 'generating', 'job', id, 'created_at', now)
  set_fields(version_key, at)
  redis.call('HSET', key, 'version', version)
end
if ARGV[6] ~= '' then
  redis.call('HSET', idempotency_key, 'fingerprint', ARGV[7], 'job', id, 'workflow', workflow)
  redis.call('PEXPIRE', idempotency_key, ARGV[8])
end
count_today(tenant, 'jobs', 1, now)
event(id, 'job.queued', '{}', now, 1)
begin_waiting(queue, tenant, id, expires_at)
enqueue(queue, tenant, id)
return { 'created', id, workflow }
