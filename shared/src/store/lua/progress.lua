#!lua flags=allow-oom
-- Records what a running attempt did: log, events, journal entries.
-- ARGV: 1 id, 2 fence, 3 log chunk, 4 journal bytes max, 5 number of this write (0: repeating it does no
--       harm), 6 how many event values, type, data, ...,
--       then how many journal values, field, entry, ..., then what it uses of its tenant's day: tool calls a day,
--       tokens a day (0 = no limit), tool calls, tokens to set aside, input tokens, output tokens, tokens free again
-- Answers: ok | stale | cancel | full (the journal is at its limit) | spent <what> <used> <limit> (the tenant's day is
-- used up): with the last two nothing was written
-- A write whose answer was lost comes again under its number, and is not carried out twice.
--@prelude

local id, fence = ARGV[1], ARGV[2]
local now = clock()
local key = job_key(id)
local events_end = 6 + tonumber(ARGV[6])
local journal_end = events_end + 1 + tonumber(ARGV[events_end + 1])
local spends = journal_end + 1
local job = redis.call('HMGET', key, 'status', 'fence', 'tenant', 'writes', 'journal_bytes', 'cancel_requested', 'seq')
local current, tenant = job[1] == 'running' and job[2] == fence, job[3]

-- Writes of an attempt are numbered from 1 and may overtake each other: the record keeps the fence, the highest number
-- that came, and the ones below it that did not.
local number, writes = tonumber(ARGV[5]), {}
for word in string.gmatch(job[4] or '', '%d+') do writes[#writes + 1] = word end
if writes[1] ~= fence then writes = { fence, '0' } end

-- Where a number below the highest stands among the missing ones.
local function missing_at()
  for at = 3, #writes do
    if tonumber(writes[at]) == number then return at end
  end
end

local function note_write()
  local highest = tonumber(writes[2])
  if number > highest then
    for missing = highest + 1, number - 1 do writes[#writes + 1] = tostring(missing) end
    writes[2] = tostring(number)
  else
    table.remove(writes, missing_at())
  end
end

local taken = job[6] == '1' and 'cancel' or 'ok'
local came_before = number > 0 and number <= tonumber(writes[2]) and not missing_at()
if current and came_before then return taken end
if tenant then end_spending(tenant, spends + 2, now) end -- it was used, whoever may write now
if not current then return 'stale' end
local refused = refused_today(tenant, ARGV[spends], ARGV[spends + 1], spends + 2, now)
if refused then return refused end
local grown, entries, fields = 0, {}, {}
for i = events_end + 2, journal_end, 2 do
  local old = redis.call('HSTRLEN', key .. ':journal', ARGV[i])
  grown = grown + #ARGV[i + 1] - old + (old == 0 and #ARGV[i] or 0)
  entries[#entries + 1], entries[#entries + 2] = ARGV[i], ARGV[i + 1]
end
if grown ~= 0 then
  local bytes = tonumber(job[5] or 0) + grown
  if grown > 0 and bytes > tonumber(ARGV[4]) then return 'full' end
  fields = { 'journal_bytes', bytes }
end
if number > 0 then
  note_write()
  fields[#fields + 1], fields[#fields + 2] = 'writes', table.concat(writes, ',')
end
begin_spending(tenant, spends + 2, now)
if #entries > 0 then redis.call('HSET', key .. ':journal', unpack(entries)) end
if ARGV[3] ~= '' then redis.call('APPEND', key .. ':log', ARGV[3]) end
local seq = tonumber(job[7] or 0)
for i = 7, events_end, 2 do
  seq = seq + 1
  event(id, ARGV[i], ARGV[i + 1], now, seq)
end
if events_end > 6 then fields[#fields + 1], fields[#fields + 2] = 'seq', seq end
if #fields > 0 then redis.call('HSET', key, unpack(fields)) end
return taken
