#!lua flags=no-writes,allow-oom
-- The events of a job of the tenant after a number, and the state it is in with them: read at once, so a final state
-- means that these are the last.
-- ARGV: 1 id, 2 tenant, 3 number    Answers: { status, event... }, or nothing
--@prelude
local key = job_key(ARGV[1])
local job = redis.call('HMGET', key, 'tenant', 'queue', 'status', 'seq')
if job[1] ~= ARGV[2] or job[2] == 'deliver' then return {} end
local answer = { job[3] }
-- Numbers have no gaps and the list ends with the last, so the newest n are those wanted: whoever is up to date costs
-- nothing, however long the list is.
local n = math.min(tonumber(job[4]) - tonumber(ARGV[3]), EVENTS_MAX)
if n > 0 then
  for _, entry in ipairs(redis.call('LRANGE', key .. ':events', -n, -1)) do answer[#answer + 1] = entry end
end
return answer
