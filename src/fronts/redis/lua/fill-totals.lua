-- Makes totals of what was loaded: a generation in flight is added exactly when it is not yet in what was loaded, what
-- is pending always is. Right whoever loaded it, and whatever was added meanwhile, so slots need no token.
-- KEYS  1 header
-- ARGV  1 incarnation, 2 shape, 3 generation of the fence in the load's snapshot, 4 epoch and 5 invalidations before the load,
--       6 limit of a total, 7 the largest limit there is, 8 expiry in ms or '', then pairs of slot name and what the store has
-- Gives { 'totals', { total, or nil where it leaves the limit } } | { 'stale' } | { 'stopped', reason }
--       | { 'unrecovered', header }
-- Cost  O(slots)
local h = entered(ARGV[1])
if not h then return unrecovered() end
if h.shape ~= ARGV[2] then return { 'misshapen', h.shape } end
if h.epoch ~= tonumber(ARGV[4]) or h.inv ~= tonumber(ARGV[5]) then return { 'stale' } end
local generation, loaded = h.gen, tonumber(ARGV[3])
local isBefore = h.fstate == 'cut' and loaded == generation - 1
if not isBefore and loaded ~= generation then return { 'stale' } end
local limit, sumMax, ttlMs, now = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), clock()
local totals = {}
for i = 9, #ARGV, 2 do
  local name, stored = ARGV[i], ARGV[i + 1]
  local total = redis.call('GET', name)
  if not total then
    local flight = isBefore and redis.call('HGET', FDELTAS, name) or '0'
    local pending = redis.call('HGET', DELTAS, name) or '0'
    local partial = tonumber(stored) + tonumber(flight)
    if math.abs(partial) <= sumMax and math.abs(partial + tonumber(pending)) <= limit then
      put(name, stored, ttlMs, now)
      -- The server's sums are exact to 64 bits.
      if flight ~= '0' then redis.call('INCRBY', name, flight) end
      if pending ~= '0' then redis.call('INCRBY', name, pending) end
      total = redis.call('GET', name)
    end
  end
  totals[#totals + 1] = total
end
return { 'totals', totals }
