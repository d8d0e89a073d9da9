-- Accepts mutations: value, pending mark and seq in one step. A dirty value has no expiry.
-- KEYS  1 header
-- ARGV  1 incarnation, 2 mutations accepted, 3 keys (n), 4 bytes of all slots, 5 entries max, 6 bytes max,
--       7 tombstones among the slots, 8 keys with an expiry of their own (m),
--       then n pairs of slot name and slot, m pairs of slot name and expiry in ms
-- Gives { 'accepted', seq, epoch, pending, entries, bytes } | { 'full', entries, bytes, room } | { 'stopped', reason }
--       | { 'unrecovered', header }
-- Cost  O(n); five calls, of them two with n keys; two more with n keys while a generation is in flight or near a limit
-- The marks are slot names, so that each name is sent once and pairs go to MSET as they came. Measured for 64 keys
-- (server CPU for each): names and pairs 1.37 µs; keys and pairs apart 1.53; names made here 1.58; plain SET EX 1.36.
-- Refused for want of memory before anything is written: this is the one step without allow-oom that marks keys.
local h = redis.call('HMGET', HEADER, 'run', 'inc', 'stopped', 'fstate', 'pe', 'pb', 'seq', 'epoch', 'fe', 'fb', 'pt', 'ttls')
if h[1] ~= RUN or h[2] ~= ARGV[1] then return unrecovered() end
if h[3] ~= '' then return { 'stopped', h[3] } end

local n, batchBytes, maxEntries, maxBytes = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local own = tonumber(ARGV[8])
local pending, pendingBytes, state = tonumber(h[5]), tonumber(h[6]), h[4]
local entries, bytes = pending, pendingBytes
if state == 'cut' then
  entries, bytes = entries + tonumber(h[9]), bytes + tonumber(h[10])
end
-- unpack fails at about 8,000 values; a chunk has two for each key.
local CHUNK = 3000

local function names(from, to)
  local list = {}
  for i = from, to do list[i - from + 1] = ARGV[7 + 2 * i] end
  return list
end

if entries + n > maxEntries or bytes + batchBytes > maxBytes then
  local fresh = 0
  for from = 1, n, CHUNK do
    local marks = redis.call('SMISMEMBER', PENDING, unpack(names(from, math.min(n, from + CHUNK - 1))))
    for i = 1, #marks do fresh = fresh + 1 - marks[i] end
  end
  local room = 0
  if bytes + batchBytes <= maxBytes then room = math.max(0, maxEntries - entries) end
  if fresh > room then return { 'full', entries, bytes, room } end
end

-- The flight keeps the values of the cut: what the store gets is a prefix of the lane, not a mixture.
local function freeze(list)
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

local added = 0
for from = 1, n, CHUNK do
  local to = math.min(n, from + CHUNK - 1)
  local list = names(from, to)
  if state ~= '' then freeze(list) end
  added = added + redis.call('SADD', PENDING, unpack(list))
  redis.call('MSET', unpack(ARGV, 7 + 2 * from, 8 + 2 * to))
  if h[12] == '1' then redis.call('HDEL', TTLS, unpack(list)) end
end
if own > 0 then
  local base = 8 + 2 * n
  for from = 1, own, CHUNK do
    redis.call('HSET', TTLS, unpack(ARGV, base + 2 * from - 1, base + 2 * math.min(own, from + CHUNK - 1)))
  end
  redis.call('HSET', HEADER, 'ttls', '1')
end

local seq, newBytes = tonumber(h[7]) + tonumber(ARGV[2]), 0
if n > 0 then newBytes = math.floor(batchBytes * added / n + 0.5) end
if pending == 0 then redis.call('HSET', HEADER, 'ps', clock()) end
redis.call('HSET', HEADER, 'seq', seq, 'pe', pending + added, 'pb', pendingBytes + newBytes, 'pt', tonumber(h[11]) + tonumber(ARGV[7]))
return { 'accepted', seq, tonumber(h[8]), pending + added, entries + added, bytes + newBytes }
