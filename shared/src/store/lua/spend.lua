#!lua flags=allow-oom
-- Counts what a tenant uses today outside of a run's record: a generation.
-- ARGV: 1 tenant, 2 tool calls a day, 3 tokens a day, unless its record says otherwise (0 = no limit),
--       4.. tool calls, tokens to set aside, input tokens, output tokens, tokens set aside before that are free again
-- Answers: ok | spent <what> <used> <limit>: nothing was counted
--@prelude
local now = clock()
local refused = refused_today(ARGV[1], ARGV[2], ARGV[3], 4, now)
if refused then return refused end
begin_spending(ARGV[1], 4, now)
end_spending(ARGV[1], 4, now)
return 'ok'
