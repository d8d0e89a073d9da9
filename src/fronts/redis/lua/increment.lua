-- Adds to each key's delta, and to its total where that is known, in one step.
-- KEYS  1 header
-- ARGV  1 incarnation, 2 shape, 3 increments accepted, 4 keys (n), 5 bytes, 6 entries max, 7 bytes max, 8 limit of a sum,
--       9 a '1' for each key whose total is wanted and a '0' for each other, '' when none is, 10 '1' when totals may have an
--       expiry, then n slot names and n sums
-- Gives { 'accepted', seq, epoch, pending, entries, bytes, { the totals that are wanted } }
--       | { 'unsettled', { numbers of keys, from 0, with an unknown total }, { of those that leave the limit } }
--       | { 'full', entries, bytes } | { 'stopped', reason } | { 'unrecovered', header }
-- Cost  O(n); six calls, of them four with n keys; another for each known total when it may have an expiry
-- Sums are added here as doubles, and given to the server as numbers, where that is exact: below 2^53, less what a client
-- may have added before it subtracts the '0' of the last digit of an answer. The server adds others.
-- Refused for want of memory before anything is written.
local n, batchBytes, maxEntries, maxBytes, limit = ARGV[4] + 0, ARGV[5] + 0, ARGV[6] + 0, ARGV[7] + 0, ARGV[8] + 0
local wanted, mayExpire = ARGV[9], ARGV[10] ~= ''
local DELTAS, TABLE, EXACT = PREFIX .. 'deltas', '', 2 ^ 53 - 64
-- unpack fails at about 8,000 values; a chunk has two for each key.
local CHUNK = 3000
local base = 10 + n
local deltas, totals = {}, {}
for from = 1, n, CHUNK do
  local first, last = 10 + from, 10 + math.min(n, from + CHUNK - 1)
  local d, t = pending > 0 and redis.call('HMGET', DELTAS, unpack(ARGV, first, last)) or {}, redis.call('MGET', unpack(ARGV, first, last))
  if n <= CHUNK then
    deltas, totals = d, t
  else
    for i = 1, #t do deltas[from + i - 1], totals[from + i - 1] = d[i], t[i] end
  end
end

-- What becomes of each delta and total: pairs that are set, and what the server adds itself because it is not exact here, or
-- because the total keeps an expiry. Near are sums that are neither beyond the limit nor inexact, which is nearly every one.
local sets, slots, deltasToAdd, totalsToAdd, set, slot = {}, {}, {}, {}, 0, 0
local unknown, beyond, fresh, after, later = {}, {}, 0, {}, {}
local near = math.min(limit, EXACT)
for i = 1, n do
  local name, text, delta, total = ARGV[10 + i], ARGV[base + i], deltas[i], totals[i]
  local sum, isWanted = text + 0, wanted ~= '' and string.byte(wanted, i) == 49
  local isNear, leaves = sum < near and sum > -near, false
  if not delta then
    fresh, set = fresh + 1, set + 2
    sets[set - 1], sets[set] = name, text
    leaves = sum > limit or sum < -limit
  else
    local old = delta + 0
    local new = old + sum
    if isNear and old < near and old > -near and new < near and new > -near then
      set = set + 2
      sets[set - 1], sets[set] = name, new
    else
      leaves, deltasToAdd[#deltasToAdd + 1] = new > limit or new < -limit, i
    end
  end
  if total then
    local old = total + 0
    local new = old + sum
    local exact = isNear and old < near and old > -near and new < near and new > -near
    if exact and not mayExpire then
      slot = slot + 2
      slots[slot - 1], slots[slot] = name, new
    else
      leaves, totalsToAdd[#totalsToAdd + 1] = leaves or new > limit or new < -limit, i
    end
    if isWanted then
      after[#after + 1] = exact and new
      if not exact then later[#after] = name end
    end
  elseif isWanted then
    unknown[#unknown + 1], leaves = i - 1, false
  end
  if leaves then beyond[#beyond + 1] = i - 1 end
end
if #unknown > 0 or #beyond > 0 then return { 'unsettled', unknown, beyond } end

local entries, bytes = pending, pendingBytes
if state == 'cut' then entries, bytes = entries + flightEntries, bytes + flightBytes end
if fresh > 0 and (bytes + batchBytes > maxBytes or entries + fresh > maxEntries) then return { 'full', entries, bytes } end

-- The server keeps a small hash as a list, through which each of many keys would be searched for: 11 µs a key at 250 keys, 3 µs
-- in a table. A value that is longer than what such a list may have makes a table of it from the beginning.
if pending == 0 and fresh > 0 then
  redis.call('HSET', DELTAS, TABLE, string.rep('-', 65))
  sinceMs = clock()
end
for from = 1, set, 2 * CHUNK do redis.call('HSET', DELTAS, unpack(sets, from, math.min(set, from + 2 * CHUNK - 1))) end
for from = 1, slot, 2 * CHUNK do redis.call('MSET', unpack(slots, from, math.min(slot, from + 2 * CHUNK - 1))) end
for _, i in ipairs(deltasToAdd) do redis.call('HINCRBY', DELTAS, ARGV[10 + i], ARGV[base + i]) end
for _, i in ipairs(totalsToAdd) do redis.call('INCRBY', ARGV[10 + i], ARGV[base + i]) end
for at, name in pairs(later) do after[at] = redis.call('GET', name) end

local newBytes = 0
if n > 0 then newBytes = math.floor(batchBytes * fresh / n + 0.5) end
seq, pending, pendingBytes = seq + ARGV[3], pending + fresh, pendingBytes + newBytes
redis.call('SETRANGE', HEADER, 0, struct.pack(NUMBERS, seq, epoch, pending, pendingBytes, tombstones, sinceMs, flightEntries, flightBytes))
return { 'accepted', seq, epoch, pending, entries + fresh, bytes + newBytes, after }
