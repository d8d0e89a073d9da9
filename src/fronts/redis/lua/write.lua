-- Accepts mutations: value, pending mark and seq in one step. A dirty value has no expiry.
-- KEYS  1 header
-- ARGV  1 incarnation, 2 mutations accepted, 3 keys (n), 4 entries max, 5 bytes max, 6 tombstones among the slots,
--       7 keys with an expiry of their own (m), then n pairs of slot name and slot, m pairs of slot name and expiry in
--       ms
-- Gives { 'accepted', seq, epoch, pending, entries, bytes } | { 'full', entries, bytes, places of what has no room }
--       | { 'stopped', reason } | { 'unrecovered', header }
-- Cost  O(n); three calls, of them two with n keys; while others are pending one or two more with n keys; two more with
--       n keys while a generation is in flight
-- The marks are slot names, so that each name is sent once and pairs go to MSET as they came, the header as the last.
-- Refused for want of memory before anything is written: this is the one step without allow-oom that marks keys.
local raw = redis.call('GET', HEADER)
if not raw then return unrecovered() end
local seq, epoch, pending, pendingBytes, tombstones, sinceMs, flightEntries, flightBytes,
  run, inc, shape, stopped, state, hasTtls, rest = struct.unpack(READ, raw)
if run ~= RUN or inc ~= ARGV[1] then return unrecovered() end
if stopped ~= '' then return { 'stopped', stopped } end

local n, maxEntries, maxBytes, own = ARGV[3] + 0, ARGV[4] + 0, ARGV[5] + 0, ARGV[7] + 0
local PENDING = PREFIX .. 'pending'

-- A lone write pays for every instruction. Where there is room in any case the mark tells whether it was there, and
-- with no generation in flight and no expiries there is nothing else to look at.
if n == 1 and state == '' and hasTtls == '' and own == 0
  and pending < maxEntries and pendingBytes + #ARGV[9] <= maxBytes then
  local added, grown = redis.call('SADD', PENDING, ARGV[8]), #ARGV[9]
  if pending == 0 then sinceMs = clock() elseif added == 0 then grown = grown - redis.call('STRLEN', ARGV[8]) end
  seq, pending, pendingBytes = seq + ARGV[2], pending + added, pendingBytes + grown
  local numbers = struct.pack(NUMBERS, seq, epoch, pending, pendingBytes, tombstones + ARGV[6], sinceMs,
    flightEntries, flightBytes)
  redis.call('MSET', ARGV[8], ARGV[9], HEADER, numbers .. string.sub(raw, NUMBERS_LENGTH + 1))
  return { 'accepted', seq, epoch, pending, pending, pendingBytes }
end

local entries, bytes = pending, pendingBytes
if state == 'cut' then entries, bytes = entries + flightEntries, bytes + flightBytes end
-- unpack fails at about 8,000 values; a chunk has two for each key.
local CHUNK = 3000

local lists = {}
for from = 1, n, CHUNK do
  local list, before = {}, from - 1
  for i = 1, math.min(n - before, CHUNK) do list[i] = ARGV[6 + 2 * (before + i)] end
  lists[#lists + 1] = list
end

-- What the keys add, and how long the values are of those that are pending already. Short values are looked at
-- together, of long ones the length is asked for.
local SHORT = 4096
local added, grown, lengths = n, 0, {}
for i = 9, 7 + 2 * n, 2 do grown = grown + #ARGV[i] end
if pending > 0 then
  for at, list in ipairs(lists) do
    local marks, known, places = redis.call('SMISMEMBER', PENDING, unpack(list)), {}, {}
    for i = 1, #marks do
      if marks[i] == 1 then
        known[#known + 1], places[#places + 1] = list[i], (at - 1) * CHUNK + i
      end
    end
    local old = #known > 1 and pendingBytes < SHORT * pending and redis.call('MGET', unpack(known))
    for i = 1, #known do
      local length = old and #(old[i] or '') or redis.call('STRLEN', known[i])
      lengths[places[i]], grown = length, grown - length
    end
    added = added - #known
  end
end

if added > 0 and entries + added > maxEntries or grown > 0 and bytes + grown > maxBytes then
  -- What does not fit, in order: after the first that has to wait, whatever needs room waits.
  local refused, entryRoom, byteRoom = {}, maxEntries - entries, maxBytes - bytes
  for i = 1, n do
    local entry, size = lengths[i] and 0 or 1, math.max(0, #ARGV[7 + 2 * i] - (lengths[i] or 0))
    if entry > 0 or size > 0 then
      if #refused > 0 or (entry > 0 and entry > entryRoom) or (size > 0 and size > byteRoom) then
        refused[#refused + 1] = i - 1
      else
        entryRoom, byteRoom = entryRoom - entry, byteRoom - size
      end
    end
  end
  return { 'full', entries, bytes, refused }
end

-- The flight keeps the values of the cut: what the store gets is a prefix of the lane, not a mixture.
local function freeze(list)
  local FLIGHT, FROZEN = PREFIX .. 'flight', PREFIX .. 'frozen'
  local marks = redis.call('SMISMEMBER', FLIGHT, unpack(list))
  local taken = {}
  for i = 1, #marks do
    if marks[i] == 1 then taken[#taken + 1] = list[i] end
  end
  if #taken == 0 then return end
  if state == 'cut' then
    local old, kept = redis.call('MGET', unpack(taken)), {}
    for i = 1, #taken do
      if old[i] then
        kept[#kept + 1] = taken[i]
        kept[#kept + 1] = old[i]
      end
    end
    if #kept > 0 then redis.call('HSET', FROZEN, unpack(kept)) end
  end
  redis.call('SREM', FLIGHT, unpack(taken))
end

if pending == 0 then sinceMs = clock() end
seq = seq + ARGV[2]
local header = struct.pack(NUMBERS, seq, epoch, pending + added, pendingBytes + grown, tombstones + ARGV[6], sinceMs,
  flightEntries, flightBytes)
if own == 0 or hasTtls == '1' then
  header = header .. string.sub(raw, NUMBERS_LENGTH + 1)
else
  header = header .. struct.pack('>ssssss', run, inc, shape, stopped, state, '1') .. string.sub(raw, rest)
end
for _, list in ipairs(lists) do
  if state ~= '' then freeze(list) end
  redis.call('SADD', PENDING, unpack(list))
  if hasTtls == '1' then redis.call('HDEL', PREFIX .. 'ttls', unpack(list)) end
end
local base = 7 + 2 * n
for from = 1, own, CHUNK do
  redis.call('HSET', PREFIX .. 'ttls', unpack(ARGV, base + 2 * from - 1, base + 2 * math.min(own, from + CHUNK - 1)))
end
for from = 1, n - CHUNK, CHUNK do redis.call('MSET', unpack(ARGV, 6 + 2 * from, 5 + 2 * (from + CHUNK))) end
ARGV[base + 1], ARGV[base + 2] = HEADER, header
redis.call('MSET', unpack(ARGV, 8 + 2 * CHUNK * math.max(0, #lists - 1), base + 2))
return { 'accepted', seq, epoch, pending + added, entries + added, bytes + grown }
