#!lua flags=allow-oom
-- Records what running attempts did: log, events, journal entries. Each write finds what the ones before it wrote.
-- ARGV: of each write: 0 id, 1 fence, 2 log chunk, 3 journal bytes max, 4 number of this write (0: repeating it does no
--       harm), 5 how many event values, type, data, ...,
--       then how many journal values, field, entry, ..., then what it uses of its tenant's day: tool calls a day,
--       tokens a day (0 = no limit), tool calls, tokens to set aside, input tokens, output tokens, tokens free again
-- Answers of each write: ok | stale | cancel | full (the journal is at its limit) | spent <what> <used> <limit> (the
-- tenant's day is used up): with the last two nothing was written | error <what>
-- A write whose answer was lost comes again under its number, and is not carried out twice.
--@prelude
local now = clock()
news = {}
local SPENDS = 7 -- values of what it uses

-- Writes of an attempt are numbered from 1 and may overtake each other: the record keeps the fence, the highest number
-- that came, and the ones below it that did not.
local function writes_of(told, fence)
  local writes = {}
  for word in string.gmatch(told or '', '%d+') do writes[#writes + 1] = word end
  if writes[1] ~= fence then writes = { fence, '0' } end
  return writes
end

-- Where a number below the highest stands among the missing ones.
local function missing_at(writes, number)
  for at = 3, #writes do
    if tonumber(writes[at]) == number then return at end
  end
end

local function note_write(writes, number)
  local highest = tonumber(writes[2])
  if number > highest then
    for missing = highest + 1, number - 1 do writes[#writes + 1] = tostring(missing) end
    writes[2] = tostring(number)
  else
    table.remove(writes, missing_at(writes, number))
  end
end

local function write(at)
  local id, fence, number = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 4])
  local key, journal_at = job_key(id), after_fields(at + 5)
  local spends = after_fields(journal_at)
  local job = redis.call('HMGET', key, 'status', 'fence', 'tenant', 'writes', 'journal_bytes', 'cancel_requested', 'seq')
  local current, tenant = job[1] == 'running' and job[2] == fence, job[3]
  local writes = writes_of(job[4], fence)
  local taken = job[6] == '1' and 'cancel' or 'ok'
  local came_before = number > 0 and number <= tonumber(writes[2]) and not missing_at(writes, number)
  if current and came_before then return taken end
  if tenant then end_spending(tenant, spends + 2, now) end -- it was used, whoever may write now
  if not current then return 'stale' end
  local refused = refused_today(tenant, ARGV[spends], ARGV[spends + 1], spends + 2, now)
  if refused then return refused end
  local grown, entries, fields = 0, {}, {}
  for i = journal_at + 1, spends - 1, 2 do
    local old = redis.call('HSTRLEN', key .. ':journal', ARGV[i])
    grown = grown + #ARGV[i + 1] - old + (old == 0 and #ARGV[i] or 0)
    entries[#entries + 1], entries[#entries + 2] = ARGV[i], ARGV[i + 1]
  end
  if grown ~= 0 then
    local bytes = tonumber(job[5] or 0) + grown
    if grown > 0 and bytes > tonumber(ARGV[at + 3]) then return 'full' end
    fields = { 'journal_bytes', tostring(bytes) }
  end
  if number > 0 then
    note_write(writes, number)
    fields[#fields + 1], fields[#fields + 2] = 'writes', table.concat(writes, ',')
  end
  begin_spending(tenant, spends + 2, now)
  if #entries > 0 then redis.call('HSET', key .. ':journal', unpack(entries)) end
  if ARGV[at + 2] ~= '' then redis.call('APPEND', key .. ':log', ARGV[at + 2]) end
  local seq = tonumber(job[7] or 0)
  for i = at + 6, journal_at - 1, 2 do
    seq = seq + 1
    event(id, ARGV[i], ARGV[i + 1], now, seq)
  end
  if journal_at > at + 6 then fields[#fields + 1], fields[#fields + 2] = 'seq', tostring(seq) end
  if #fields > 0 then redis.call('HSET', key, unpack(fields)) end
  return taken
end

local answers, at = {}, 1
while at <= #ARGV do
  answers[#answers + 1] = answer_of(write, at)
  at = after_fields(after_fields(at + 5)) + SPENDS
end
publish_news()
return answers
