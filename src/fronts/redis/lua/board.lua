-- For steps on a leaderboard: behind shape.lua.
--   scores   hash: member to the weight it came to, '' where it was removed, and '' to nothing that counts
--   fscores  the same of the generation cut
--   doubts   hash: member whose row is to be read anew, to a token
--   doubted  string: the last token that was given
--   load     string: the cursor of a load under way
--   <incarnation>:  sorted set: members by weight. The member '' tells how far it was loaded: -inf all of it, inf up to
--            the cursor. It is in the set itself, so a set that was removed behind the lane's back is loaded anew.
local COMPLETE, LOADING = '-inf', 'inf'

local function boardOf(incarnation)
  return PREFIX .. incarnation .. ':'
end

-- How far it was loaded, and the first doubts: 1 when complete, the cursor, members and tokens in turn.
local function loadOf(board)
  local mark = redis.call('ZSCORE', board, '')
  local doubts = redis.call('HRANDFIELD', DOUBTS, 100, 'WITHVALUES')
  return mark == COMPLETE and 1 or 0, mark == LOADING and redis.call('GET', LOAD) or '', doubts
end

-- Begins a board that is not there: if it was removed, what the store does not have yet is put back.
local function begin(board)
  if redis.call('ZSCORE', board, '') then return end
  redis.call('UNLINK', LOAD)
  redis.call('ZADD', board, LOADING, '')
  for _, changes in ipairs({ FSCORES, SCORES }) do
    local all = redis.call('HGETALL', changes)
    for i = 1, #all, 2 do
      if all[i] == '' then
        -- Makes a table of the hash: see write-scores.lua.
      elseif all[i + 1] == '' then
        redis.call('ZREM', board, all[i])
      else
        redis.call('ZADD', board, all[i + 1], all[i])
      end
    end
  end
end

local function unloaded(board, epoch)
  return { 'unloaded', epoch, loadOf(board) }
end

local function isKnown(board)
  return redis.call('ZSCORE', board, '') == COMPLETE and redis.call('EXISTS', DOUBTS) == 0
end

-- A double as text that gives the same double again.
local function exact(number)
  return string.format('%.17g', number)
end
