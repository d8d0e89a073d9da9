-- Adds to each key's delta, and to its total where that is known, in one step.
-- KEYS  1 header
-- ARGV  1 incarnation, 2 shape, 3 increments accepted, 4 keys (n), 5 bytes, 6 entries max, 7 bytes max, 8 limit of a sum,
--       9 a '1' for each key whose total is wanted and a '0' for each other, 10 '1' when totals may have an expiry,
--       then n pairs of slot name and sum
-- Gives { 'accepted', seq, epoch, pending, entries, bytes, { the totals that are wanted } }
--       | { 'unsettled', { numbers of keys, from 0, with an unknown total }, { of those that leave the limit } }
--       | { 'full', entries, bytes, room } | { 'stopped', reason } | { 'unrecovered', header }
-- Cost  O(n); six calls, of them four with n keys; another for each known total when it may have an expiry
-- Sums are strings. As doubles they are exact below 2^53, which is where they are added here; above, the server adds.
-- Refused for want of memory before anything is written.
local h = redis.call('HMGET', HEADER, 'run', 'inc', 'stopped', 'shape', 'fstate', 'pe', 'pb', 'seq', 'epoch', 'fe', 'fb')
if h[1] ~= RUN or h[2] ~= ARGV[1] then return unrecovered() end
if h[3] ~= '' then return { 'stopped', h[3] } end
if h[4] ~= ARGV[2] then return misshapen(h[4]) end

local n, batchBytes, limit = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[8])
local wanted, EXACT = ARGV[9], 2 ^ 53
-- unpack fails at about 8,000 values; a chunk has two for each key.
local CHUNK = 3000
local names, deltas, totals = {}, {}, {}
for from = 1, n, CHUNK do
  local to, part = math.min(n, from + CHUNK - 1), {}
  for i = from, to do
    part[i - from + 1] = ARGV[9 + 2 * i]
    names[i] = ARGV[9 + 2 * i]
  end
  local d, t = redis.call('HMGET', DELTAS, unpack(part)), redis.call('MGET', unpack(part))
  for i = from, to do
    deltas[i], totals[i] = d[i - from + 1], t[i - from + 1]
  end
end

local unknown, beyond, fresh = {}, {}, 0
local newDeltas, newTotals = {}, {}
for i = 1, n do
  local sum, delta, total = tonumber(ARGV[10 + 2 * i]), deltas[i], totals[i]
  local newDelta, newTotal = sum, nil
  local exact = math.abs(sum) < EXACT
  if delta then
    local number = tonumber(delta)
    newDelta = number + sum
    -- false: the server adds.
    newDeltas[i] = exact and math.abs(number) < EXACT and math.abs(newDelta) < EXACT and string.format('%.0f', newDelta)
  else
    fresh = fresh + 1
    newDeltas[i] = ARGV[10 + 2 * i]
  end
  if total then
    local number = tonumber(total)
    newTotal = number + sum
    newTotals[i] = exact and math.abs(number) < EXACT and math.abs(newTotal) < EXACT and string.format('%.0f', newTotal)
  end
  if not total and string.byte(wanted, i) == 49 then
    unknown[#unknown + 1] = i - 1
  elseif math.abs(newDelta) > limit or (newTotal and math.abs(newTotal) > limit) then
    beyond[#beyond + 1] = i - 1
  end
end
if #unknown > 0 or #beyond > 0 then return { 'unsettled', unknown, beyond } end

local pending, pendingBytes, maxEntries, maxBytes = tonumber(h[6]), tonumber(h[7]), tonumber(ARGV[6]), tonumber(ARGV[7])
local entries, bytes = pending, pendingBytes
if h[5] == 'cut' then
  entries, bytes = entries + tonumber(h[10]), bytes + tonumber(h[11])
end
if entries + n > maxEntries or bytes + batchBytes > maxBytes then
  local room = 0
  if bytes + batchBytes <= maxBytes then room = math.max(0, maxEntries - entries) end
  if fresh > room then return { 'full', entries, bytes, room } end
end

-- Writes pairs in chunks with a command that takes many.
local function each(pairs, write)
  for from = 1, #pairs, 2 * CHUNK do write(from, math.min(#pairs, from + 2 * CHUNK - 1)) end
end
local sets, slots, after = {}, {}, {}
for i = 1, n do
  if newDeltas[i] then
    sets[#sets + 1] = names[i]
    sets[#sets + 1] = newDeltas[i]
  else
    redis.call('HINCRBY', DELTAS, names[i], ARGV[10 + 2 * i])
  end
  if totals[i] then
    if newTotals[i] and ARGV[10] == '' then
      slots[#slots + 1] = names[i]
      slots[#slots + 1] = newTotals[i]
    else
      -- Keeps the expiry.
      redis.call('INCRBY', names[i], ARGV[10 + 2 * i])
    end
    if string.byte(wanted, i) == 49 then after[#after + 1] = newTotals[i] or redis.call('GET', names[i]) end
  end
end
each(sets, function(from, to) redis.call('HSET', DELTAS, unpack(sets, from, to)) end)
each(slots, function(from, to) redis.call('MSET', unpack(slots, from, to)) end)

local seq, newBytes = tonumber(h[8]) + tonumber(ARGV[3]), 0
if n > 0 then newBytes = math.floor(batchBytes * fresh / n + 0.5) end
if pending == 0 and fresh > 0 then redis.call('HSET', HEADER, 'ps', clock()) end
redis.call('HSET', HEADER, 'seq', seq, 'pe', pending + fresh, 'pb', pendingBytes + newBytes)
return { 'accepted', seq, tonumber(h[9]), pending + fresh, entries + fresh, bytes + newBytes, after }
