#!lua flags=allow-oom
-- Notes something of an API key, unless it was revoked meanwhile.
-- ARGV: 1 id, 2.. fields (how many values, then field, value, ...)
--@prelude
local key = P .. 'key:' .. ARGV[1]
if redis.call('EXISTS', key) == 1 then set_fields(key, 2) end
return 1
