-- Rows of a leaderboard.
-- KEYS  1 header
-- ARGV  1 incarnation, 2 shape, then 'range', the first rank and how many; or 'around', the member and how many on
--       either side; or 'members' and members
-- Gives { 'rows', rank of the first, { member and weight in turn } } | { 'unloaded', epoch, complete, cursor, doubts }
--       | { 'stopped', reason } | { 'unrecovered', header }
-- Cost  O(rows + log members)
local h = entered(ARGV[1])
if not h then return unrecovered() end
if h.shape ~= ARGV[2] then return { 'misshapen', h.shape } end
local board = boardOf(ARGV[1])
if not isKnown(board) then return unloaded(board, h.epoch) end
-- The first member of the set is the mark that it is complete.
local function range(first, count)
  if count <= 0 then return { 'rows', first, {} } end
  return { 'rows', first, redis.call('ZRANGE', board, first + 1, first + count, 'WITHSCORES') }
end
if ARGV[3] == 'range' then return range(tonumber(ARGV[4]), tonumber(ARGV[5])) end
if ARGV[3] == 'around' then
  local rank = redis.call('ZRANK', board, ARGV[4])
  if not rank then return { 'rows', 0, {} } end
  local first = math.max(0, rank - 1 - ARGV[5])
  return range(first, rank - 1 - first + ARGV[5] + 1)
end
local rows = {}
for from = 4, #ARGV, 6000 do
  local to = math.min(#ARGV, from + 5999)
  local weights = redis.call('ZMSCORE', board, unpack(ARGV, from, to))
  for i = from, to do
    if weights[i - from + 1] then
      rows[#rows + 1] = ARGV[i]
      rows[#rows + 1] = weights[i - from + 1]
    end
  end
end
return { 'rows', 0, rows }
