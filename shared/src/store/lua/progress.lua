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

-- Writes of an attempt are numbered from 1 and may overtake each other: the record keeps the fence, the highest number
-- that came, and the ones below it that did not.
local function writes_of(key, fence)
  local writes = {}
  for word in string.gmatch(redis.call('HGET', key, 'writes') or '', '%d+') do writes[#writes + 1] = word end
  return writes[1] == fence and writes or { fence, '0' }
end

-- Where a number below the highest stands among the missing ones.
local function missing_at(writes, number)
  for at = 3, #writes do
    if tonumber(writes[at]) == number then return at end
  end
end

local function came_before(writes, number)
  return number > 0 and number <= tonumber(writes[2]) and not missing_at(writes, number)
end

local function note_write(key, writes, number)
  if number == 0 then return end
  local highest = tonumber(writes[2])
  if number > highest then
    for missing = highest + 1, number - 1 do writes[#writes + 1] = tostring(missing) end
    writes[2] = tostring(number)
  else
    table.remove(writes, missing_at(writes, number))
  end
  redis.call('HSET', key, 'writes', table.concat(writes, ','))
end

local function taken(key)
  return redis.call('HGET', key, 'cancel_requested') == '1' and 'cancel' or 'ok'
end

local id, fence = ARGV[1], ARGV[2]
local now = clock()
local key = job_key(id)
local events_end = 6 + tonumber(ARGV[6])
local journal_end = events_end + 1 + tonumber(ARGV[events_end + 1])
local spends = journal_end + 1
local tenant = redis.call('HGET', key, 'tenant')
local number, writes = tonumber(ARGV[5]), writes_of(key, fence)
if owns(id, fence) and came_before(writes, number) then return taken(key) end
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
note_write(key, writes, number)
begin_spending(tenant, spends + 2, now)
for i = events_end + 2, journal_end, 2 do redis.call('HSET', key .. ':journal', ARGV[i], ARGV[i + 1]) end
if ARGV[3] ~= '' then redis.call('APPEND', key .. ':log', ARGV[3]) end
for i = 7, events_end, 2 do event(id, ARGV[i], ARGV[i + 1], now) end
return taken(key)
