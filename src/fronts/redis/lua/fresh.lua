-- For recover and adopt: a lane that starts where the fence is, and forgetting what it had.
local function fresh(run, lanes, shape, incarnation, epoch, epochs, generation, seq, owner, leaseUntilMs)
  save({ seq = seq, epoch = epoch, pe = 0, pb = 0, pt = 0, ps = 0, fe = 0, fb = 0,
    run = run, inc = incarnation, shape = shape, stopped = '', fstate = '', ttls = '',
    lanes = lanes, gen = generation, stored = seq, lease = leaseUntilMs, flush = 0,
    fgen = 0, fseq = 0, ft = 0, fs = 0, inv = 0, epochs = epochs, owner = owner, fdigest = '' })
end

-- Old slots are not listed anywhere: their incarnation is noted, and whoever recovered removes them in the background.
-- Marks without a header are from an incarnation that nobody knows.
local function clear(incarnation)
  local marks = redis.call('UNLINK', PENDING, FLIGHT, FROZEN, TTLS, all())
  if incarnation then
    redis.call('SADD', PREFIX .. 'garbage', incarnation)
  elseif marks > 0 then
    redis.call('SADD', PREFIX .. 'garbage', '*')
  end
end
