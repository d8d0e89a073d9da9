-- For recover and adopt: a lane that starts where the fence is, and forgetting what it had.
local function fresh(run, lanes, shape, incarnation, epoch, epochs, generation, seq, owner, leaseUntilMs)
  redis.call('HSET', HEADER, 'lanes', lanes, 'shape', shape, 'run', run, 'inc', incarnation, 'epoch', epoch, 'epochs', epochs, 'seq', seq,
    'gen', generation, 'stored', seq, 'pe', 0, 'pb', 0, 'pt', 0, 'ps', 0, 'fstate', '', 'owner', owner, 'lease', leaseUntilMs,
    'flush', 0, 'stopped', '', 'ttls', '')
end

-- Old slots are not listed anywhere: their incarnation is noted, and whoever recovered removes them in the background.
-- Marks without a header are from an incarnation that nobody knows.
local function clear(incarnation)
  local marks = redis.call('UNLINK', PENDING, FLIGHT, FROZEN, TTLS, DELTAS, FDELTAS, LOG, FLOG, SCORES, FSCORES, DOUBTS, LOAD)
  if incarnation then
    redis.call('SADD', PREFIX .. 'garbage', incarnation)
  elseif marks > 0 then
    redis.call('SADD', PREFIX .. 'garbage', '*')
  end
end
