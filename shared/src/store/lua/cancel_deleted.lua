#!lua flags=allow-oom
-- Cancels what is queued or runs of deleted workflows: at most n jobs are looked at, newest first, one workflow at a
-- time; where it stopped is kept. ARGV: 1 n    Answers: 1 while something is left
--@prelude
local found = redis.call('HRANDFIELD', P .. 'deleted', 1, 'WITHVALUES')
local workflow, from = found[1], found[2]
if not workflow then return 0 end
local now = clock()
local ids = redis.call('ZRANGE', P .. 'wf:' .. workflow .. ':jobs', from, '-', 'BYLEX', 'REV', 'LIMIT', 0, tonumber(ARGV[1]))
for _, id in ipairs(ids) do cancel(id, now) end
if #ids == tonumber(ARGV[1]) then
  redis.call('HSET', P .. 'deleted', workflow, '(' .. ids[#ids])
  return 1
end
redis.call('HDEL', P .. 'deleted', workflow)
return redis.call('HLEN', P .. 'deleted') > 0 and 1 or 0
