-- For steps that have to do with counters, logs and leaderboards; the writes of documents do without.
--   deltas   hash: name to sum, and '' to nothing that counts (see increment.lua)
--   fdeltas  the same of the generation cut
--   log      list: entries
--   flog     the same of the generation cut
--   and those of leaderboards: see board.lua
local DELTAS, FDELTAS, LOG, FLOG = PREFIX .. 'deltas', PREFIX .. 'fdeltas', PREFIX .. 'log', PREFIX .. 'flog'
local SCORES, FSCORES, DOUBTS, LOAD = PREFIX .. 'scores', PREFIX .. 'fscores', PREFIX .. 'doubts', PREFIX .. 'load'

-- The row of a leaderboard's member is to be read anew.
local function doubt(member)
  redis.call('HSET', DOUBTS, member, redis.call('INCR', PREFIX .. 'doubted'))
end
