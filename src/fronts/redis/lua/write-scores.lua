-- Does what is asked of a leaderboard in its order, in one step.
-- KEYS  1 header
-- ARGV  1 incarnation, 2 shape, 3 bytes of the distinct members, 4 entries max, 5 bytes max, 6 limit of a weight, then triples
--       of operation ('s' set, 'b' best, 'a' add, 'r' remove), member and weight
-- Gives { 'accepted', seq, epoch, pending, entries, bytes, mutations, { weight after each operation, '' where it is not on the
--       board, '!' where it was refused } } | { 'full', entries, bytes, room } | { 'unloaded', complete, cursor, doubts }
--       | { 'stopped', reason } | { 'unrecovered', header }
-- Cost  O(n log members); six calls, of them four with n members
-- Refused for want of memory before anything is written.
local h = redis.call('HMGET', HEADER, 'run', 'inc', 'stopped', 'shape', 'fstate', 'pe', 'pb', 'seq', 'epoch', 'fe', 'fb')
if h[1] ~= RUN or h[2] ~= ARGV[1] then return unrecovered() end
if h[3] ~= '' then return { 'stopped', h[3] } end
if h[4] ~= ARGV[2] then return misshapen(h[4]) end

local board, limit = boardOf(h[2]), tonumber(ARGV[6])
local known = isKnown(board)
-- The distinct members, and the place of each.
local members, places = {}, {}
for i = 7, #ARGV, 3 do
  if not known and (ARGV[i] == 'a' or ARGV[i] == 'b') then return unloaded(board) end
  local member = ARGV[i + 1]
  if not places[member] then
    members[#members + 1] = member
    places[member] = #members
  end
end
-- unpack fails at about 8,000 values; a chunk has two for each member.
local CHUNK = 3000
local weights, pendings = {}, {}
for from = 1, #members, CHUNK do
  local to = math.min(#members, from + CHUNK - 1)
  local w, p = redis.call('ZMSCORE', board, unpack(members, from, to)), redis.call('HMGET', SCORES, unpack(members, from, to))
  for i = from, to do
    weights[i], pendings[i] = w[i - from + 1] and tonumber(w[i - from + 1]), p[i - from + 1]
  end
end

local changed, accepted, added, outcomes = {}, 0, 0, {}
for i = 7, #ARGV, 3 do
  local op, place, weight = ARGV[i], places[ARGV[i + 1]], tonumber(ARGV[i + 2])
  local before = weights[place]
  local after
  if op == 's' then
    after = weight
  elseif op == 'b' then
    after = before and math.min(before, weight) or weight
  elseif op == 'a' then
    after = (before or 0) + weight
  end
  if after and math.abs(after) > limit then
    outcomes[#outcomes + 1] = '!'
  else
    -- Of a member that is not on an incomplete board there may be a row.
    if op == 's' or after ~= (before or nil) or (op == 'r' and not known) then
      if not changed[place] and not pendings[place] then added = added + 1 end
      changed[place], weights[place] = true, after
      accepted = accepted + 1
    end
    outcomes[#outcomes + 1] = after and exact(after) or ''
  end
end

local pending, pendingBytes, batchBytes = tonumber(h[6]), tonumber(h[7]), tonumber(ARGV[3])
local entries, bytes = pending, pendingBytes
if h[5] == 'cut' then
  entries, bytes = entries + tonumber(h[10]), bytes + tonumber(h[11])
end
local fitsBytes = bytes + batchBytes <= tonumber(ARGV[5])
if added > 0 and (not fitsBytes or entries + added > tonumber(ARGV[4])) then
  return { 'full', entries, bytes, fitsBytes and math.max(0, tonumber(ARGV[4]) - entries) or 0 }
end

local ranked, removed, changes = {}, {}, {}
for place in pairs(changed) do
  local member, weight = members[place], weights[place]
  local text = weight and exact(weight) or ''
  changes[#changes + 1] = member
  changes[#changes + 1] = text
  if weight then
    ranked[#ranked + 1] = text
    ranked[#ranked + 1] = member
  else
    removed[#removed + 1] = member
  end
end
local function each(command, key, list)
  for from = 1, #list, 2 * CHUNK do redis.call(command, key, unpack(list, from, math.min(#list, from + 2 * CHUNK - 1))) end
end
each('ZADD', board, ranked)
each('ZREM', board, removed)
each('HSET', SCORES, changes)

local seq, newBytes = tonumber(h[8]) + accepted, 0
if added > 0 then newBytes = math.floor(batchBytes * added / #members + 0.5) end
if pending == 0 and added > 0 then redis.call('HSET', HEADER, 'ps', clock()) end
if accepted > 0 then redis.call('HSET', HEADER, 'seq', seq, 'pe', pending + added, 'pb', pendingBytes + newBytes) end
return { 'accepted', seq, tonumber(h[9]), pending + added, entries + added, bytes + newBytes, accepted, outcomes }
