-- For steps that have to do with counters and logs; the writes of documents do without.
--   deltas   hash: name to sum                   fdeltas  the same of the generation cut
--   log      list: entries                       flog     the same of the generation cut
local DELTAS, FDELTAS, LOG, FLOG = PREFIX .. 'deltas', PREFIX .. 'fdeltas', PREFIX .. 'log', PREFIX .. 'flog'

-- The lane has another shape than the caller's; who gets the answer puts it into words.
local function misshapen(found)
  return { 'misshapen', found }
end
