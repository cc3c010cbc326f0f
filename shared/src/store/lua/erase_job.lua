#!lua flags=allow-oom
-- Erases a final job of the tenant with all its data, and the webhook message about it, sent or not.
-- ARGV: 1 id, 2 tenant    Answers: erased | unknown | active
--@prelude
local id, tenant = ARGV[1], ARGV[2]
local job = redis.call('HMGET', job_key(id), 'tenant', 'queue', 'status')
if job[1] ~= tenant or job[2] == 'deliver' then return 'unknown' end
if job[3] == 'queued' or job[3] == 'running' then return 'active' end
local message = message_of(id)
local status = redis.call('HGET', job_key(message), 'status')
if status == 'queued' then end_waiting('deliver', tenant, message) end
if status == 'running' then end_running('deliver', tenant, message) end
erase(message)
erase(id)
return 'erased'
