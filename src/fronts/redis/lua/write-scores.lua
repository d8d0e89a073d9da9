-- Does what is asked of a leaderboard in its order, in one step.
-- KEYS  1 header
-- ARGV  1 incarnation, 2 shape, 3 bytes of the distinct members, 4 entries max, 5 bytes max, 6 limit of a weight, then triples
--       of operation ('s' set, 'b' best, 'a' add, 'r' remove), member and weight
-- Gives { 'accepted', seq, epoch, pending, entries, bytes, mutations, { weight after each operation, '' where it is not on the
--       board, '!' where it was refused } } | { 'full', entries, bytes, room } | { 'unloaded', complete, cursor, doubts }
--       | { 'stopped', reason } | { 'unrecovered', header }
-- Cost  O(n log members); eight calls, of them four with n members
-- Refused for want of memory before anything is written.
local h = entered(ARGV[1])
if not h then return unrecovered() end
if h.stopped ~= '' then return { 'stopped', h.stopped } end
if h.shape ~= ARGV[2] then return { 'misshapen', h.shape } end

local board, limit = boardOf(h.inc), tonumber(ARGV[6])
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

local batchBytes, entries, bytes = tonumber(ARGV[3]), h.pe, h.pb
if h.fstate == 'cut' then entries, bytes = entries + h.fe, bytes + h.fb end
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
if not known then begin(board) end
each('ZADD', board, ranked)
each('ZREM', board, removed)
each('HSET', SCORES, changes)

local newBytes = 0
if added > 0 then newBytes = math.floor(batchBytes * added / #members + 0.5) end
if h.pe == 0 and added > 0 then h.ps = clock() end
h.seq, h.pe, h.pb = h.seq + accepted, h.pe + added, h.pb + newBytes
if accepted > 0 then save(h) end
return { 'accepted', h.seq, h.epoch, h.pe, entries + added, bytes + newBytes, accepted, outcomes }
