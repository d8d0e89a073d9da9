-- Adds to each key's delta, and to its total where that is known, in one step.
-- KEYS  1 header
-- ARGV  1 incarnation, 2 shape, 3 increments accepted, 4 keys (n), 5 bytes, 6 entries max, 7 bytes max, 8 limit of a
--       sum, 9 '*' when all totals are wanted, '' when none is, else a '1' for each key whose total is and a '0' for
--       each other, 10 '1' when totals may have an expiry, then n slot names, then n sums, or one that all keys share
-- Gives { 'accepted', seq, epoch, pending, entries, bytes, the totals that are wanted with commas between them }
--       | { 'unsettled', { numbers of keys, from 0, with an unknown total }, { of those that leave the limit } }
--       | { 'full', entries, bytes, { of those that need an entry } } | { 'stopped', reason }
--       | { 'unrecovered', header }
-- Cost  O(n); six calls, of them four with n keys; another for each known total when it may have an expiry
-- Sums are added here as doubles where that is exact: where what is added and what comes of it are below 2^52, what was
-- there is below 2^53. The server adds others. What is set are texts that %d made: of a number the server makes one
-- itself, by %.17g, which takes three times as long. What is pending of many keys is the same small number: what comes
-- of one is made once. Refused for want of memory before anything is written.
local args = ARGV
local n, batchBytes, maxEntries, maxBytes, limit = args[4] + 0, args[5] + 0, args[6] + 0, args[7] + 0, args[8] + 0
local wanted, wantsAll, mayExpire = args[9], args[9] == '*', args[10] ~= ''
local DELTAS, TABLE, EXACT = PREFIX .. 'deltas', '', 2 ^ 52
-- unpack fails at about 8,000 values; a chunk has two for each key.
local CHUNK = 3000
local base = 10 + n
local deltas, totals = {}, {}
for from = 1, n, CHUNK do
  local first, last = 10 + from, 10 + math.min(n, from + CHUNK - 1)
  local d = pending > 0 and redis.call('HMGET', DELTAS, unpack(args, first, last)) or {}
  local t = redis.call('MGET', unpack(args, first, last))
  if n <= CHUNK then
    deltas, totals = d, t
  else
    for i = 1, #t do deltas[from + i - 1], totals[from + i - 1] = d[i], t[i] end
  end
end

-- What becomes of each delta and total: pairs that are set, and what the server adds itself because it is not exact
-- here, or because the total keeps an expiry. Tables of pairs have their length from the beginning: one that grows is
-- copied each time.
local longest = 10 + 2 * math.min(n, CHUNK)
local sets, slots, set, slot = { unpack(args, 11, longest) }, { unpack(args, 11, longest) }, 0, 0
local deltasToAdd, totalsToAdd = {}, {}
local told, later, count = wantsAll and { unpack(args, 11, 10 + math.min(n, CHUNK)) } or {}, {}, 0
local unknown, beyond, fresh = {}, {}, 0
-- Near are sums that are neither beyond the limit nor inexact, which is nearly every one.
local near, text, isShared = math.min(limit, EXACT), args[base + 1], #args == base + 1
local format, byte = string.format, string.byte
local far, sum = -near, text + 0
local isNear, made = sum < near and sum > far, {}
for i = 1, n do
  local name, delta, total, leaves = args[10 + i], deltas[i], totals[i], false
  if not isShared then
    text = args[base + i]
    sum = text + 0
    isNear = sum < near and sum > far
  end
  if delta then
    local after = isShared and made[delta]
    if not after then
      local new = delta + sum
      if isNear and new < near and new > far then
        after = format('%d', new)
        made[delta] = after
      else
        leaves, deltasToAdd[#deltasToAdd + 1] = new > limit or new < -limit, i
      end
    end
    if after then
      set = set + 2
      sets[set - 1], sets[set] = name, after
    end
  else
    fresh, set = fresh + 1, set + 2
    sets[set - 1], sets[set] = name, text
    leaves = sum > limit or sum < -limit
  end
  local isWanted = wantsAll or wanted ~= '' and byte(wanted, i) == 49
  if total then
    local new = total + sum
    local isExact = isNear and new < near and new > far
    local after = isExact and format('%d', new)
    if isExact and not mayExpire then
      slot = slot + 2
      slots[slot - 1], slots[slot] = name, after
    else
      leaves, totalsToAdd[#totalsToAdd + 1] = leaves or new > limit or new < -limit, i
    end
    if isWanted then
      count = count + 1
      told[count] = after
      if not after then later[count] = name end
    end
  elseif isWanted then
    unknown[#unknown + 1], leaves = i - 1, false
  end
  if leaves then beyond[#beyond + 1] = i - 1 end
end
if #unknown > 0 or #beyond > 0 then return { 'unsettled', unknown, beyond } end

local entries, bytes = pending, pendingBytes
if state == 'cut' then entries, bytes = entries + flightEntries, bytes + flightBytes end
local newBytes = n > 0 and math.floor(batchBytes * fresh / n + 0.5) or 0
if fresh > 0 and (bytes + newBytes > maxBytes or entries + fresh > maxEntries) then
  local needing = {}
  for i = 1, n do
    if not deltas[i] then needing[#needing + 1] = i - 1 end
  end
  return { 'full', entries, bytes, needing }
end

-- The server keeps a small hash as a list, through which each of many keys would be searched for: 11 µs a key at 250
-- keys, 3 µs in a table. A value that is longer than what such a list may have makes a table of it from the beginning.
if pending == 0 and fresh > 0 then
  redis.call('HSET', DELTAS, TABLE, string.rep('-', 65))
  sinceMs = clock()
end
for from = 1, set, 2 * CHUNK do redis.call('HSET', DELTAS, unpack(sets, from, math.min(set, from + 2 * CHUNK - 1))) end
for from = 1, slot, 2 * CHUNK do redis.call('MSET', unpack(slots, from, math.min(slot, from + 2 * CHUNK - 1))) end
for _, i in ipairs(deltasToAdd) do
  redis.call('HINCRBY', DELTAS, args[10 + i], args[isShared and base + 1 or base + i])
end
for _, i in ipairs(totalsToAdd) do redis.call('INCRBY', args[10 + i], args[isShared and base + 1 or base + i]) end
for at, name in pairs(later) do told[at] = redis.call('GET', name) end

seq, pending, pendingBytes = seq + args[3], pending + fresh, pendingBytes + newBytes
redis.call('SETRANGE', HEADER, 0, struct.pack(NUMBERS, seq, epoch, pending, pendingBytes, tombstones, sinceMs,
  flightEntries, flightBytes))
return { 'accepted', seq, epoch, pending, entries + fresh, bytes + newBytes, table.concat(told, ',', 1, count) }
