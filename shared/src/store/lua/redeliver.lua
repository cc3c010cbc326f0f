#!lua
-- Sends a webhook message of the tenant again: now, and with the whole schedule of retries ahead of it.
-- ARGV: 1 message, 2 tenant, 3 the job it tells of    Answers: 1 queued or being sent, 0 unknown
--@prelude
local id, tenant = ARGV[1], ARGV[2]
local key = job_key(id)
local message = redis.call('HMGET', key, 'tenant', 'subject', 'status')
if message[1] ~= tenant or message[2] ~= ARGV[3] then return 0 end
if message[3] == 'running' then return 1 end
if message[3] == 'queued' then
  -- One that stands in the list goes out anyway; one that waits for its time need not.
  redis.call('HSET', key, 'tries', 0)
  if redis.call('ZREM', queue_key('deliver', 'due'), id) == 1 then enqueue('deliver', tenant, id) end
  return 1
end
redis.call('ZREM', P .. 'finals', id)
redis.call('HSET', key, 'status', 'queued', 'tries', 0, 'lost', 0, 'attempt', 0, 'fence', 0, 'error', '')
redis.call('HDEL', key, 'finished_at', 'due_at')
begin_waiting('deliver', tenant, id, 0)
enqueue('deliver', tenant, id)
return 1
