#!lua flags=allow-oom
-- Extends the leases a worker holds and tells it which it has lost and which jobs are to be cancelled.
-- ARGV: 1 lease_ms, then id, fence, ...    Answers: ok | lost | cancel for each, in order.
--@prelude
local now = clock()
local lease_ms = tonumber(ARGV[1])
reclaim_allowed(now, lease_ms)
local answer = {}
for i = 2, #ARGV, 2 do
  local id, fence = ARGV[i], ARGV[i + 1]
  local job = redis.call('HMGET', job_key(id), 'status', 'fence', 'queue', 'cancel_requested')
  if job[1] ~= 'running' or job[2] ~= fence then
    answer[#answer + 1] = 'lost'
  else
    redis.call('ZADD', queue_key(job[3], 'leases'), now + lease_ms, id)
    answer[#answer + 1] = job[4] == '1' and 'cancel' or 'ok'
  end
end
return answer
