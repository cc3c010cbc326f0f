#!lua flags=allow-oom
-- Cancels a job of the tenant: one that waits at once, one that runs through its worker.
-- ARGV: 1 id, 2 tenant    Answers: unknown | final | cancelled | requested
--@prelude
local id, tenant = ARGV[1], ARGV[2]
local key = job_key(id)
local job = redis.call('HMGET', key, 'tenant', 'queue', 'status')
if job[1] ~= tenant or job[2] == 'deliver' then return 'unknown' end
local now = clock()
if job[3] == 'queued' then
  end_waiting(job[2], tenant, id)
  finalize(id, job[2], tenant, 'cancelled', '', now)
  return 'cancelled'
end
if job[3] ~= 'running' then return 'final' end
redis.call('HSET', key, 'cancel_requested', 1)
redis.call('PUBLISH', P .. 'cancels', id)
return 'requested'
