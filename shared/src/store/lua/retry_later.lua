#!lua flags=allow-oom
-- Gives a job back: at shutdown (not counted), after trouble that is ours (counted as a lost attempt), or a
-- delivery to be tried again later.
-- ARGV: 1 id, 2 fence, 3 delay_ms, 4 '1' when it counts as a lost attempt, 5.. job fields
-- Answers: ok | stale
--@prelude
local id, fence, delay_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
if not owns(id, fence) then return 'stale' end
local now = clock()
local key = job_key(id)
set_fields(key, 5)
if ARGV[4] == '1' then
  lose_attempt(id, now, delay_ms)
  return 'ok'
end
local job = redis.call('HMGET', key, 'queue', 'tenant', 'expires_at', 'cancel_requested')
end_running(job[1], job[2], id)
if job[4] == '1' then
  redis.call('HSET', key, 'fence', 0)
  finalize(id, job[1], job[2], 'cancelled', '', now)
else
  wait_again(id, job[1], job[2], tonumber(job[3]), delay_ms, 'handed_back', now)
end
return 'ok'
