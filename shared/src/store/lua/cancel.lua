#!lua flags=allow-oom
-- Cancels a job of the tenant: one that waits at once, one that runs through its worker.
-- ARGV: 1 id, 2 tenant    Answers: unknown | final | cancelled | requested
--@prelude
local job = redis.call('HMGET', job_key(ARGV[1]), 'tenant', 'queue')
if job[1] ~= ARGV[2] or job[2] == 'deliver' then return 'unknown' end
return cancel(ARGV[1], clock())
