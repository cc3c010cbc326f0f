-- What can happen to a job, and how it is told: the second half of what all scripts share, see prelude.lua. What a
-- definition uses stands before it.

-- Events are numbered per job, kept in a capped list, and announced; listeners read what they missed. What the record
-- says itself is not said again by an entry of the list, since version 2 of the record: that the job was accepted
-- (created_at), began for the first time (began_at, and started_at before there is another time), and ended (finished_at).
-- events_after tells it.
local function event_text(seq, kind, at, data)
  return '{"seq":' .. seq .. ',"type":"' .. kind .. '","at":' .. at .. ',"data":' .. data .. '}'
end

-- A message has a line for each event. A script that has many sets `news` to a table first, and publishes at its end.
local news
local function announce(id, seq, kind)
  local line = id .. ' ' .. seq .. ' ' .. kind
  if news then news[#news + 1] = line else redis.call('PUBLISH', P .. 'events', line) end
end

local function publish_news()
  if #news > 0 then redis.call('PUBLISH', P .. 'events', table.concat(news, '\n')) end
end

-- The caller may give the number, and writes it into the record then.
local function event(id, kind, data, now, seq)
  seq = seq or redis.call('HINCRBY', job_key(id), 'seq', 1)
  local key = job_key(id) .. ':events'
  local events = redis.call('RPUSH', key, event_text(seq, kind, now, data))
  if events > EVENTS_MAX then redis.call('LTRIM', key, -EVENTS_MAX, -1) end
  announce(id, seq, kind)
end

local function end_data(err) return (err or '') == '' and '{}' or '{"error":' .. err .. '}' end

-- Whether this try speaks for its workflow: one that is ready stays ready, and before that the latest try counts.
local function speaks(workflow_key, version)
  local workflow = redis.call('HMGET', workflow_key, 'version', 'last_version')
  return workflow[1] == '0' and workflow[2] == version
end

-- A generate job that ends without a program: the version failed, and the workflow too unless it was ready.
local function fail_version(workflow, version, err, now)
  local key = P .. 'wf:' .. workflow
  if redis.call('EXISTS', key) == 0 then return end
  if err == '' then err = '{"code":"generation_failed","message":"The generation was cancelled."}' end
  redis.call('HSET', key .. ':v:' .. version, 'status', 'failed', 'error', err)
  if speaks(key, version) then redis.call('HSET', key, 'status', 'failed', 'error', err) end
  redis.call('HSET', key, 'updated_at', now)
end

-- The webhook message of a job is named after the job: it exists once, whoever ends the job.
local function message_of(id) return 'msg_' .. string.sub(id, 5) end

local function queue_delivery(id, tenant, now)
  local message = message_of(id)
  redis.call('HSET', job_key(message), 'v', 1, 'id', message, 'queue', 'deliver', 'tenant', tenant, 'status', 'queued',
    'subject', id, 'lost', 0, 'attempt', 0, 'tries', 0, 'max_attempts', 1000, 'fence', 0, 'created_at', now,
    'expires_at', 0, 'timeout_ms', 60000, 'traceparent', redis.call('HGET', job_key(id), 'traceparent') or '')
  begin_waiting('deliver', tenant, message, 0)
  enqueue('deliver', tenant, message)
end

-- The one way into a final state. The caller has taken the job out of the queue or ends its attempt. `job`: what its
-- record says, see ENDING; `more`: fields and values to be written with it. What is left to do for all that end together
-- is noted in `ends`, for note_ends, as soon as the job is final.
local ENDING = { 'created_at', 'callback_url', 'workflow_id', 'version', 'seq', 'v' }
local function end_record(ends, id, queue, tenant, status, err, now, job, more)
  local fields, seq = more or {}, tonumber(job[5] or 1) + 1
  for _, value in ipairs({ 'status', status, 'finished_at', tostring(now) }) do fields[#fields + 1] = value end
  if err ~= '' then fields[#fields + 1], fields[#fields + 2] = 'error', err end
  if queue ~= 'deliver' then fields[#fields + 1], fields[#fields + 2] = 'seq', tostring(seq) end
  redis.call('HSET', job_key(id), unpack(fields))
  local code = string.match(err, '"code":"([a-z_]+)"') or ''
  local took = now - tonumber(job[1] or now)
  ends[#ends + 1] = { id = id, queue = queue, tenant = tenant, status = status, code = code, took = took }
  if queue == 'deliver' then return end
  local kind = 'job.' .. status
  if job[6] == '1' then event(id, kind, end_data(err), now, seq) else announce(id, seq, kind) end
  if queue == 'generate' and status ~= 'succeeded' then fail_version(job[3], job[4], err, now) end
  if job[2] and job[2] ~= '' then queue_delivery(id, tenant, now) end
end

-- The end of these jobs is counted, and that of their retention begins to be waited for.
local function note_ends(ends, now)
  if #ends == 0 then return end
  local finals, totals, durations, now_text = {}, {}, {}, tostring(now)
  for _, ended in ipairs(ends) do
    local queue = ended.queue
    local series = 'wf_jobs_finished_total{queue="' .. queue .. '",status="' .. ended.status .. '",code="' .. ended.code .. '"}'
    finals[#finals + 1], finals[#finals + 2] = now_text, ended.id
    totals[series] = (totals[series] or 0) + 1
    durations[queue] = durations[queue] or {}
    table.insert(durations[queue], ended.took)
  end
  redis.call('ZADD', P .. 'finals', unpack(finals))
  for series, n in pairs(totals) do tally(series, n) end
  for queue, took in pairs(durations) do observe('wf_job_duration_seconds', queue, took) end
end

local function finalize(id, queue, tenant, status, err, now)
  local ends = {}
  end_record(ends, id, queue, tenant, status, err, now, redis.call('HMGET', job_key(id), unpack(ENDING)))
  note_ends(ends, now)
end

-- Cancels a job: one that waits at once, one that runs through its worker.
local function cancel(id, now)
  local key = job_key(id)
  local job = redis.call('HMGET', key, 'queue', 'status', 'tenant')
  if job[2] == 'queued' then
    end_waiting(job[1], job[3], id)
    finalize(id, job[1], job[3], 'cancelled', '', now)
    return 'cancelled'
  end
  if job[2] ~= 'running' then return 'final' end
  redis.call('HSET', key, 'cancel_requested', 1)
  redis.call('PUBLISH', P .. 'cancels', id)
  return 'requested'
end

local function problem(code, message)
  return cjson.encode({ code = code, message = message })
end

-- A job whose attempt ended without an end of the job stands in its queue again, first or after a while.
-- Fence 0 is nobody's: what the attempt still writes is refused.
local function wait_again(id, queue, tenant, expires_at, delay_ms, reason, now)
  redis.call('HSET', job_key(id), 'status', 'queued', 'worker', '', 'fence', 0)
  if queue ~= 'deliver' then event(id, 'job.retrying', '{"reason":"' .. reason .. '"}', now) end
  begin_waiting(queue, tenant, id, expires_at)
  if delay_ms > 0 then
    redis.call('ZADD', queue_key(queue, 'due'), now + delay_ms, id)
  else
    enqueue(queue, tenant, id, true)
  end
end

-- An attempt was lost to a crash: the job waits again, or has crashed its last worker.
local function lose_attempt(id, now, delay_ms)
  local key = job_key(id)
  local job = redis.call('HMGET', key, 'queue', 'tenant', 'max_attempts', 'expires_at', 'cancel_requested')
  local lost = redis.call('HINCRBY', key, 'lost', 1)
  tally('wf_attempts_lost_total{queue="' .. job[1] .. '"}')
  redis.call('HSET', key, 'fence', 0)
  end_running(job[1], job[2], id)
  if job[5] == '1' then return finalize(id, job[1], job[2], 'cancelled', '', now) end
  if lost >= tonumber(job[3]) then
    local told = 'The worker died ' .. lost .. ' times while this job ran; it was given up.'
    return finalize(id, job[1], job[2], 'failed', problem('worker_lost', told), now)
  end
  wait_again(id, job[1], job[2], tonumber(job[4]), delay_ms or 0, 'worker_lost', now)
end

-- A job waited longer than its client wanted it to.
local function expire(queue, id, now)
  local job = redis.call('HMGET', job_key(id), 'tenant', 'attempt', 'created_at')
  local waited = math.floor((now - tonumber(job[3])) / 1000)
  local what = tonumber(job[2] or 0) > 0 and 'to be tried again' or 'for a free worker'
  end_waiting(queue, job[1], id)
  local told = 'The job expired after ' .. waited .. ' s: it was waiting ' .. what .. '.'
  finalize(id, queue, job[1], 'failed', problem('expired', told), now)
end

-- The first entries of a sorted set whose time has come and that are in the state in which they belong there; an
-- entry whose record is gone or says otherwise is dropped, so that it cannot stop the queue.
local function take_due(queue, name, status, now)
  local set, found = queue_key(queue, name), {}
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', set, '-inf', now, 'LIMIT', 0, SWEEP)) do
    if redis.call('HGET', job_key(id), 'status') == status then
      found[#found + 1] = id
    else
      redis.call('ZREM', set, id)
    end
  end
  return found
end

-- Takes back what crashed workers held, ends what waited too long, moves what is due: a bounded number each time.
local function sweep(queue, now, reclaim)
  if reclaim then
    for _, id in ipairs(take_due(queue, 'leases', 'running', now)) do lose_attempt(id, now) end
  end
  for _, id in ipairs(take_due(queue, 'expiry', 'queued', now)) do expire(queue, id, now) end
  for _, id in ipairs(take_due(queue, 'due', 'queued', now)) do
    redis.call('ZREM', queue_key(queue, 'due'), id)
    enqueue(queue, redis.call('HGET', job_key(id), 'tenant'), id)
  end
end

-- When Redis was away or its clock stepped, live leases look expired (or dead ones alive). A gap of more than
-- half a lease since the last tick tells; then nothing is reclaimed for one lease, so that owners can renew.
local function reclaim_allowed(now, lease_ms)
  local noted = redis.call('MGET', P .. 'last_seen', P .. 'hold_until')
  local seen, hold = tonumber(noted[1] or now), tonumber(noted[2] or 0)
  redis.call('SET', P .. 'last_seen', now)
  local gap = now - seen
  if gap > lease_ms / 2 or gap < -lease_ms / 2 then
    hold = now + lease_ms
    redis.call('SET', P .. 'hold_until', hold)
    if gap < 0 then
      for _, queue in ipairs(QUEUES) do
        local leases, due = queue_key(queue, 'leases'), queue_key(queue, 'due')
        for _, id in ipairs(redis.call('ZRANGE', leases, 0, 9999)) do redis.call('ZADD', leases, now + lease_ms, id) end
        for _, id in ipairs(redis.call('ZRANGE', due, 0, 9999)) do redis.call('ZINCRBY', due, gap, id) end
      end
    end
  end
  if hold > now + lease_ms then hold = now + lease_ms; redis.call('SET', P .. 'hold_until', hold) end
  return now >= hold
end

-- Every key of a job and every list it stands in.
local function erase(id)
  local key = job_key(id)
  local job = redis.call('HMGET', key, 'tenant', 'workflow_id')
  redis.call('UNLINK', key, key .. ':input', key .. ':result', key .. ':log', key .. ':events', key .. ':journal')
  redis.call('ZREM', P .. 'finals', id)
  if job[1] then redis.call('ZREM', P .. 't:' .. job[1] .. ':jobs', id) end
  if job[2] then redis.call('ZREM', P .. 'wf:' .. job[2] .. ':jobs', id) end
end

-- Makes room: erases the jobs that ended longest ago, at most n, whatever their retention. One whose webhook is
-- still to be sent goes to the end of the row instead.
local function erase_oldest(n, now)
  local erased = 0
  for _, id in ipairs(redis.call('ZRANGE', P .. 'finals', 0, n - 1)) do
    local delivery = redis.call('HGET', job_key('msg_' .. string.sub(id, 5)), 'status')
    if string.sub(id, 1, 4) == 'job_' and (delivery == 'queued' or delivery == 'running') then
      redis.call('ZADD', P .. 'finals', now, id)
    else
      erase(id)
      erased = erased + 1
    end
  end
  return erased
end

-- Bytes that Redis uses, and that it may use for us: what is configured, or else 80 % of its maxmemory; infinitely
-- many when neither says anything. Asking costs as much as three submits.
local function memory(configured)
  local info = redis.call('INFO', 'memory')
  local function number(name) return tonumber(string.match(info, name .. ':(%d+)') or 0) end
  local max = tonumber(configured)
  if max == 0 then max = math.floor(number('maxmemory') * 0.8) end
  return number('used_memory') - number('mem_not_counted_for_evict'), max == 0 and math.huge or max
end

-- True while the attempt with this fence is the current one.
local function owns(id, fence)
  local job = redis.call('HMGET', job_key(id), 'status', 'fence')
  return job[1] == 'running' and job[2] == fence
end

-- What ARGV[at] = how many values, then field, value, ... say, behind `fields`; and the next index.
local function after_fields(at) return at + tonumber(ARGV[at]) + 1 end

local function fields_at(at, fields)
  local n = tonumber(ARGV[at])
  fields = fields or {}
  for i = at + 1, at + n do fields[#fields + 1] = ARGV[i] end
  return fields, at + n + 1
end

-- Sets these fields; answers the next index.
local function set_fields(key, at)
  local fields, next_at = fields_at(at)
  if #fields > 0 then redis.call('HSET', key, unpack(fields)) end
  return next_at
end

-- What one job of several makes of the script's way, as its answer: an error is that job's own. Each job is done whole
-- before the next, so what failed half way is what would have failed alone.
local function answer_of(work, at)
  local done, told = pcall(work, at)
  if done then return told end
  return 'error ' .. (type(told) == 'table' and told.err or tostring(told))
end
