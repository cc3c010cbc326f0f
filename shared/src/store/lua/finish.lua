#!lua flags=allow-oom
-- Ends jobs, each with its result, final state, workflow and version, event and webhook message in one step.
-- ARGV: of each job: 0 id, 1 fence, 2 status, 3 error or '', 4 '1' when there is a result, 5 result, 6 log chunk,
--       7 '1' when the version becomes the workflow's current one,
--       8.. job fields, workflow fields, version fields (each: how many values, then field, value, ...)
-- Answers of each job: ok | stale | error <what>. A repeat of the same finish (its answer was lost) is ok: whatever else
-- ends a job or an attempt takes its fence away.
--@prelude
local now = clock()
local TOLD_BYTES_MAX = 16384 -- a cluster tells all its nodes
-- Of those that ended: what they have in common is written when all were looked at.
local ends, results, watched = {}, {}, {}
news = {}

-- A workflow that is ready stays ready: only a newer version that succeeded changes it.
local function end_version(at, workflow, version)
  local workflow_key = P .. 'wf:' .. workflow
  if redis.call('EXISTS', workflow_key) == 0 then return end
  local fields_from = after_fields(at + 8)
  local newer = ARGV[at + 7] == '1' and tonumber(version) > tonumber(redis.call('HGET', workflow_key, 'version'))
  if newer or speaks(workflow_key, version) then set_fields(workflow_key, fields_from) end
  if newer then redis.call('HSET', workflow_key, 'version', version) end
  redis.call('HSET', workflow_key, 'updated_at', now)
  set_fields(workflow_key .. ':v:' .. version, after_fields(fields_from))
end

local function finish(at)
  local id, status, err = ARGV[at], ARGV[at + 2], ARGV[at + 3]
  local key = job_key(id)
  local read = redis.call('HMGET', key, 'created_at', 'callback_url', 'seq', 'v', 'status', 'fence', 'queue', 'tenant',
    'cancel_requested', 'watcher')
  local is, queue = read[5], read[7]
  local job = { read[1], read[2], false, false, read[3], read[4] } -- as in ENDING
  if read[6] ~= ARGV[at + 1] then return 'stale' end
  if is == 'succeeded' or is == 'failed' or is == 'cancelled' then return 'ok' end
  if is ~= 'running' then return 'stale' end
  local cancelled = read[9] == '1'
  if cancelled then status, err = 'cancelled', '' end
  if queue == 'generate' then
    local made = redis.call('HMGET', key, 'workflow_id', 'version')
    job[3], job[4] = made[1], made[2]
  end
  if ARGV[at + 6] ~= '' then redis.call('APPEND', key .. ':log', ARGV[at + 6]) end
  if not cancelled then
    if ARGV[at + 4] == '1' then results[#results + 1], results[#results + 2] = key .. ':result', ARGV[at + 5] end
    if queue == 'generate' then end_version(at, job[3] or '', job[4]) end
  end
  end_record(ends, id, queue, read[8], status, err, now, job, (fields_at(at + 8)))
  if read[10] and #ARGV[at + 5] + redis.call('STRLEN', key .. ':input') <= TOLD_BYTES_MAX then watched[#watched + 1] = { key, read[10] } end
  return 'ok'
end

local answers, at = {}, 1
while at <= #ARGV do
  answers[#answers + 1] = answer_of(finish, at)
  at = after_fields(after_fields(after_fields(at + 8)))
end

if #results > 0 then redis.call('MSET', unpack(results)) end
local leases, attempts = {}, {}
for _, ended in ipairs(ends) do
  local queue, tenant = ended.queue, ended.tenant
  leases[queue], attempts[queue] = leases[queue] or {}, attempts[queue] or {}
  table.insert(leases[queue], ended.id)
  attempts[queue][tenant] = (attempts[queue][tenant] or 0) + 1
end
for queue, ids in pairs(leases) do
  redis.call('ZREM', queue_key(queue, 'leases'), unpack(ids))
  end_attempts(queue, attempts[queue])
end
note_ends(ends, now)

-- Who waits for a job is told it as it ended, before everybody hears that it did: its record as fields and values, its
-- input and its result, each with its length before it. What is long is read by who wants it.
local function tell(key, watcher)
  local values = redis.call('HGETALL', key)
  for _, name in ipairs({ ':input', ':result' }) do
    local value = redis.call('GET', key .. name)
    if value then values[#values + 1], values[#values + 2] = name, value end
  end
  for i, value in ipairs(values) do values[i] = #value .. ':' .. value end
  local message = table.concat(values)
  if #message <= TOLD_BYTES_MAX then redis.call('PUBLISH', P .. 'ends:' .. watcher, message) end
end
for _, it in ipairs(watched) do tell(it[1], it[2]) end
publish_news()
return answers
