#!lua flags=no-writes,allow-oom
-- The events of a job of the tenant after a number, and the state it is in with them: read at once, so a final state
-- means that these are the last. What the record says itself (see `event`) is told beside what the list holds.
-- ARGV: 1 id, 2 tenant, 3 number    Answers: { status, event... }, or nothing
--@prelude
local key, after = job_key(ARGV[1]), tonumber(ARGV[3])
local job = redis.call('HMGET', key, 'tenant', 'queue', 'status', 'seq', 'v', 'created_at', 'began_at', 'finished_at', 'error', 'started_at')
if job[1] ~= ARGV[2] or job[2] == 'deliver' then return {} end
local status, last, answer = job[3], tonumber(job[4] or 1), { job[3] }
local from_record = job[5] ~= '1'
local ends = from_record and job[8] and 1 or 0
-- Numbers have no gaps and the list ends with the last, but for one that the record tells: so the newest n hold those
-- wanted, and whoever is up to date costs nothing, however long the list is.
local most, entries = EVENTS_MAX - ends, {}
local n = math.min(last - after, most)
if n > 0 then entries = redis.call('LRANGE', key .. ':events', -n, -1) end
local function number_of(entry) return tonumber(string.match(entry or '', '^{"seq":(%d+)') or 0) end
local function told(seq, kind, at, data)
  if seq > after then answer[#answer + 1] = event_text(seq, kind, at, data) end
end
if from_record and #entries < most then
  told(1, 'job.queued', job[6], '{}')
  local began_at = job[7] or job[10]
  if began_at and number_of(entries[1]) ~= 2 then told(2, 'job.started', began_at, '{"attempt":1}') end
end
local newest = 0
for _, entry in ipairs(entries) do
  newest = number_of(entry)
  if newest > after then answer[#answer + 1] = entry end
end
if ends == 1 and newest < last then told(last, 'job.' .. status, job[8], end_data(job[9])) end
return answer
