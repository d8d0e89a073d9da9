-- For steps that have to do with counters, logs and leaderboards; the writes of documents do without.
--   deltas   hash: name to sum, and '' to nothing that counts (see increment.lua)
--   fdeltas  the same of the generation cut
--   log      list: entries
--   flog     the same of the generation cut
--   and those of leaderboards: see board.lua
local DELTAS, FDELTAS, LOG, FLOG = PREFIX .. 'deltas', PREFIX .. 'fdeltas', PREFIX .. 'log', PREFIX .. 'flog'
local SCORES, FSCORES, DOUBTS, LOAD = PREFIX .. 'scores', PREFIX .. 'fscores', PREFIX .. 'doubts', PREFIX .. 'load'

-- The flush and the recovery take care of these without knowing the shapes: one with keys of its own is entered here.

-- What a cut takes, and what it becomes.
local function pendings()
  return DELTAS, LOG, SCORES
end
local function flights()
  return FDELTAS, FLOG, FSCORES
end
-- Everything that a lane has of them.
local function all()
  return DELTAS, FDELTAS, LOG, FLOG, SCORES, FSCORES, DOUBTS, LOAD
end
-- Hashes by the names of slots: what is pending and what is in flight, in turn.
local function named()
  return DELTAS, FDELTAS
end

-- The row of a leaderboard's member is to be read anew.
local function doubt(member)
  redis.call('HSET', DOUBTS, member, redis.call('INCR', PREFIX .. 'doubted'))
end

-- The store refused what was in flight of a key, whose slot has this name. Tells whether the slot is to be forgotten.
local function refuse(key, name)
  -- A board stays complete, so a refused score is not forgotten but read anew.
  if redis.call('HEXISTS', FSCORES, key) == 1 and redis.call('HEXISTS', SCORES, key) == 0 then doubt(key) end
  -- A total that has a refused delta in it is forgotten like a refused value.
  return redis.call('HEXISTS', FDELTAS, name) == 1
end
