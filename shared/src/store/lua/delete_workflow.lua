#!lua flags=allow-oom
-- Deletes a workflow with its versions. What it was asked to do and is not done is cancelled, a bounded number of jobs
-- at a time: by `cancel_deleted`, at once and from every tick until none is left. Final jobs stay for their time.
-- ARGV: 1 workflow, 2 tenant    Answers: 1 deleted, 0 unknown
--@prelude
local key = P .. 'wf:' .. ARGV[1]
local workflow = redis.call('HMGET', key, 'tenant', 'last_version')
if workflow[1] ~= ARGV[2] then return 0 end
for version = 1, tonumber(workflow[2]) do redis.call('UNLINK', key .. ':v:' .. version) end
redis.call('UNLINK', key)
redis.call('ZREM', P .. 't:' .. ARGV[2] .. ':workflows', ARGV[1])
redis.call('HSET', P .. 'deleted', ARGV[1], '+')
return 1
