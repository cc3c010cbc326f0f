#!lua flags=allow-oom
-- Records what a running attempt did: log, events, journal entries.
-- ARGV: 1 id, 2 fence, 3 log chunk, 4 journal bytes max, 5 how many event values, type, data, ...,
--       then how many journal values, field, entry, ..., then what it uses of its tenant's day: tool calls a day,
--       tokens a day (0 = no limit), tool calls, tokens to set aside, input tokens, output tokens, tokens free again
-- Answers: ok | stale | cancel | full (the journal is at its limit) | spent <what> <used> <limit> (the tenant's day is
-- used up): with the last two nothing was written
--@prelude
local id, fence = ARGV[1], ARGV[2]
local now = clock()
local key = job_key(id)
local events_end = 5 + tonumber(ARGV[5])
local journal_end = events_end + 1 + tonumber(ARGV[events_end + 1])
local spends = journal_end + 1
local tenant = redis.call('HGET', key, 'tenant')
if tenant then end_spending(tenant, spends + 2, now) end -- it was used, whoever may write now
if not owns(id, fence) then return 'stale' end
local refused = refused_today(tenant, ARGV[spends], ARGV[spends + 1], spends + 2, now)
if refused then return refused end
local grown = 0
for i = events_end + 2, journal_end, 2 do
  local old = redis.call('HSTRLEN', key .. ':journal', ARGV[i])
  grown = grown + #ARGV[i + 1] - old + (old == 0 and #ARGV[i] or 0)
end
if grown ~= 0 then
  local bytes = tonumber(redis.call('HGET', key, 'journal_bytes') or 0) + grown
  if grown > 0 and bytes > tonumber(ARGV[4]) then return 'full' end
  redis.call('HSET', key, 'journal_bytes', bytes)
end
begin_spending(tenant, spends + 2, now)
for i = events_end + 2, journal_end, 2 do redis.call('HSET', key .. ':journal', ARGV[i], ARGV[i + 1]) end
if ARGV[3] ~= '' then redis.call('APPEND', key .. ':log', ARGV[3]) end
for i = 6, events_end, 2 do event(id, ARGV[i], ARGV[i + 1], now) end
return redis.call('HGET', key, 'cancel_requested') == '1' and 'cancel' or 'ok'
