#!lua flags=allow-oom
-- Ends a job: result, final state, workflow and version, event and webhook message in one step.
-- ARGV: 1 id, 2 fence, 3 status, 4 error or '', 5 '1' when there is a result, 6 result, 7 log chunk,
--       8 '1' when the version becomes the workflow's current one,
--       9.. job fields, workflow fields, version fields (each: how many values, then field, value, ...)
-- Answers: ok | stale. A repeat of the same finish (its answer was lost) is ok: whatever else ends a job or an
-- attempt takes its fence away.
--@prelude
local id, fence, status, err = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local key = job_key(id)
local job = redis.call('HMGET', key, 'status', 'fence', 'queue', 'tenant', 'cancel_requested', 'workflow_id', 'version')
if job[2] ~= fence then return 'stale' end
if job[1] == 'succeeded' or job[1] == 'failed' or job[1] == 'cancelled' then return 'ok' end
if job[1] ~= 'running' then return 'stale' end
local now = clock()
local cancelled = job[5] == '1'
if cancelled then status, err = 'cancelled', '' end

if ARGV[7] ~= '' then redis.call('APPEND', key .. ':log', ARGV[7]) end
local fields, at = fields_at(9)
if not cancelled then
  if ARGV[5] == '1' then redis.call('SET', key .. ':result', ARGV[6]) end
  local workflow_key = P .. 'wf:' .. (job[6] or '')
  if job[3] == 'generate' and redis.call('EXISTS', workflow_key) == 1 then
    -- A workflow that is ready stays ready: only a newer version that succeeded changes it.
    local newer = ARGV[8] == '1' and tonumber(job[7]) > tonumber(redis.call('HGET', workflow_key, 'version'))
    if newer or speaks(workflow_key, job[7]) then
      at = set_fields(workflow_key, at)
    else
      at = at + tonumber(ARGV[at]) + 1
    end
    if newer then redis.call('HSET', workflow_key, 'version', job[7]) end
    redis.call('HSET', workflow_key, 'updated_at', now)
    set_fields(workflow_key .. ':v:' .. job[7], at)
  end
end
end_running(job[3], job[4], id)
finalize(id, job[3], job[4], status, err, now, fields)
return 'ok'
