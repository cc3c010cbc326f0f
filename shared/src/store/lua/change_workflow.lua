#!lua
-- Writes name and labels of a workflow, if they are still what the change was made of.
-- ARGV: 1 workflow, 2 tenant, 3 name read, 4 labels read, 5 new name, 6 new labels    Answers: ok | unknown | changed
--@prelude
local key = P .. 'wf:' .. ARGV[1]
local workflow = redis.call('HMGET', key, 'tenant', 'name', 'metadata')
if workflow[1] ~= ARGV[2] then return 'unknown' end
if (workflow[2] or '') ~= ARGV[3] or (workflow[3] or '') ~= ARGV[4] then return 'changed' end
redis.call('HSET', key, 'name', ARGV[5], 'metadata', ARGV[6], 'updated_at', clock())
return 'ok'
