-- Puts what was loaded on the board, where nothing newer is.
-- KEYS  1 header
-- ARGV  1 incarnation, 2 shape, 3 generation of the fence in the load's snapshot, 4 epoch before the load, 5 '1' when
--       there is a page, 6 the cursor that it begins at, 7 the next cursor, 8 '1' when there are no more, 9 doubts (m),
--       then m triples of member, token and weight or '' without a row, then pairs of member and weight of the page
-- Gives { 'filled', epoch, complete, cursor, doubts } | { 'stale' } | { 'stopped', reason } | { 'unrecovered', header }
-- Cost  O(rows log members)
local h = entered(ARGV[1])
if not h then return unrecovered() end
if h.shape ~= ARGV[2] then return { 'misshapen', h.shape } end
if h.epoch ~= tonumber(ARGV[4]) then return { 'stale' } end
local generation, loaded = h.gen, tonumber(ARGV[3])
local isBefore = h.fstate == 'cut' and loaded == generation - 1
if not isBefore and loaded ~= generation then return staleOr(h) end

local board = boardOf(ARGV[1])
local ranked = {}
local function isNewer(member)
  return redis.call('HEXISTS', SCORES, member) == 1 or (isBefore and redis.call('HEXISTS', FSCORES, member) == 1)
end
local first = 10 + 3 * tonumber(ARGV[9])
for i = 10, first - 1, 3 do
  local member = ARGV[i]
  if redis.call('HGET', DOUBTS, member) == ARGV[i + 1] then
    redis.call('HDEL', DOUBTS, member)
    if not isNewer(member) then
      if ARGV[i + 2] == '' then
        redis.call('ZREM', board, member)
      else
        redis.call('ZADD', board, ARGV[i + 2], member)
      end
    end
  end
end

begin(board)
local complete, cursor = loadOf(board)
if ARGV[5] == '1' and complete == 0 and ARGV[6] == cursor then
  -- Mostly nothing is newer at all.
  local mayBeNewer = redis.call('EXISTS', SCORES, FSCORES) > 0
  for i = first, #ARGV, 2 do
    if not (mayBeNewer and isNewer(ARGV[i])) then
      ranked[#ranked + 1] = ARGV[i + 1]
      ranked[#ranked + 1] = ARGV[i]
    end
  end
  ranked[#ranked + 1] = ARGV[8] == '1' and COMPLETE or LOADING
  ranked[#ranked + 1] = ''
  for from = 1, #ranked, 6000 do redis.call('ZADD', board, unpack(ranked, from, math.min(#ranked, from + 5999))) end
  if ARGV[8] == '1' then
    redis.call('UNLINK', LOAD)
  else
    redis.call('SET', LOAD, ARGV[7])
  end
end
return { 'filled', h.epoch, loadOf(board) }
