-- Does what is asked of a leaderboard in its order, in one step.
-- KEYS  1 header
-- ARGV  1 incarnation, 2 shape, 3 bytes of the distinct members, 4 entries max, 5 bytes max, 6 limit of a weight, then
--       triples of operation ('s' set, 'b' best, 'a' add, 'r' remove), member and weight
-- Gives { 'accepted', seq, epoch, pending, entries, bytes, mutations, { weight after each operation, '' where it is not
--       on the board, '!' where it was refused } } | { 'full', entries, bytes, { numbers of the distinct members that
--       need an entry, from 0 } } | { 'unloaded', epoch, complete, cursor, doubts }
--       | { 'stopped', reason } | { 'unrecovered', header }
-- Cost  O(n log members); eight calls, of them four with n members. Whole weights are given as numbers, others as text
-- Refused for want of memory before anything is written.
local board, limit, TABLE = boardOf(inc), ARGV[6] + 0, ''
local known = isKnown(board)
-- The distinct members, and the place of each operation's.
local members, places, placeOf, count = {}, {}, {}, 0
for i = 7, #ARGV, 3 do
  if not known and (ARGV[i] == 'a' or ARGV[i] == 'b') then return unloaded(board, epoch) end
  local member = ARGV[i + 1]
  local place = placeOf[member]
  if not place then
    count = count + 1
    place = count
    members[place], placeOf[member] = member, place
  end
  places[#places + 1] = place
end
-- unpack fails at about 8,000 values; a chunk has two for each member.
local CHUNK = 3000
local weights, pendings = {}, {}
for from = 1, count, CHUNK do
  local to = math.min(count, from + CHUNK - 1)
  local w = redis.call('ZMSCORE', board, unpack(members, from, to))
  local p = pending > 0 and redis.call('HMGET', SCORES, unpack(members, from, to)) or {}
  for i = from, to do
    local weight = w[i - from + 1]
    weights[i], pendings[i] = weight and weight + 0, p[i - from + 1]
  end
end

-- A reply would cut a fraction off, and clients cannot read whole numbers near 2^53: see increment.lua.
local EXACT = 2 ^ 53 - 64
local function told(weight)
  return weight % 1 == 0 and weight < EXACT and weight > -EXACT and weight or exact(weight)
end
local changed, accepted, added, outcomes = {}, 0, 0, {}
for n = 1, #places do
  local op, place, weight = ARGV[3 * n + 4], places[n], ARGV[3 * n + 6] + 0
  local before = weights[place]
  local after
  if op == 's' then
    after = weight
  elseif op == 'b' then
    after = before and before < weight and before or weight
  elseif op == 'a' then
    after = (before or 0) + weight
  end
  if after and (after > limit or after < -limit) then
    outcomes[n] = '!'
  else
    -- Of a member that is not on an incomplete board there may be a row.
    if op == 's' or after ~= (before or nil) or (op == 'r' and not known) then
      if not changed[place] and not pendings[place] then added = added + 1 end
      changed[place], weights[place] = true, after
      accepted = accepted + 1
    end
    outcomes[n] = after and told(after) or ''
  end
end

local batchBytes, entries, bytes = ARGV[3] + 0, pending, pendingBytes
if state == 'cut' then entries, bytes = entries + flightEntries, bytes + flightBytes end
local newBytes = added > 0 and math.floor(batchBytes * added / count + 0.5) or 0
if added > 0 and (bytes + newBytes > ARGV[5] + 0 or entries + added > ARGV[4] + 0) then
  local needing = {}
  for place = 1, count do
    if changed[place] and not pendings[place] then needing[#needing + 1] = place - 1 end
  end
  return { 'full', entries, bytes, needing }
end
if accepted == 0 then
  -- What changes nothing stands where the last mutation does: a cut alone can be lost without a loss.
  local fseq = select(21, struct.unpack(WHOLE, raw))
  if state ~= '' and fseq == seq then seq = seq - 1 end
  return { 'accepted', seq, epoch, pending, entries, bytes, 0, outcomes }
end

-- The server is given numbers with all their digits.
local ranked, removed, changes, set, gone = {}, {}, {}, 0, 0
for place = 1, count do
  if changed[place] then
    local member, weight = members[place], weights[place]
    set = set + 2
    changes[set - 1], changes[set] = member, weight or ''
    if weight then
      ranked[#ranked + 1] = weight
      ranked[#ranked + 1] = member
    else
      gone = gone + 1
      removed[gone] = member
    end
  end
end
local function each(command, key, list)
  for from = 1, #list, 2 * CHUNK do
    redis.call(command, key, unpack(list, from, math.min(#list, from + 2 * CHUNK - 1)))
  end
end
if not known then begin(board) end
each('ZADD', board, ranked)
each('ZREM', board, removed)
-- A table from the beginning: see increment.lua.
if pending == 0 and added > 0 then
  redis.call('HSET', SCORES, TABLE, string.rep('-', 65))
  sinceMs = clock()
end
each('HSET', SCORES, changes)

seq, pending, pendingBytes = seq + accepted, pending + added, pendingBytes + newBytes
redis.call('SETRANGE', HEADER, 0, struct.pack(NUMBERS, seq, epoch, pending, pendingBytes, tombstones, sinceMs,
  flightEntries, flightBytes))
return { 'accepted', seq, epoch, pending, entries + added, bytes + newBytes, accepted, outcomes }
