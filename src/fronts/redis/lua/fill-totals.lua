-- Makes totals of what was loaded: a generation in flight is added exactly when it is not yet in what was loaded, what
-- is pending always is. Right whoever loaded it, and whatever was added meanwhile, so slots need no token.
-- KEYS  1 header
-- ARGV  1 incarnation, 2 shape, 3 generation of the fence in the load's snapshot, 4 epoch and 5 invalidations before
--       the load, 6 limit of a total, 7 the largest limit there is, 8 expiry in ms or '', then pairs of slot name and
--       what the store has
-- Gives { 'totals', { total, or nil where it leaves the limit } } | { 'stale' } | { 'stopped', reason }
--       | { 'unrecovered', header }
-- Cost  O(slots), some 2 µs for each
local h = entered(ARGV[1])
if not h then return unrecovered() end
if h.shape ~= ARGV[2] then return { 'misshapen', h.shape } end
if h.epoch ~= tonumber(ARGV[4]) or h.inv ~= tonumber(ARGV[5]) then return { 'stale' } end
local generation, loaded = h.gen, tonumber(ARGV[3])
local isBefore = h.fstate == 'cut' and loaded == generation - 1
if not isBefore and loaded ~= generation then return staleOr(h) end
local limit, sumMax, ttlMs, now = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), clock()
-- unpack fails at about 8,000 values; a chunk has two for each key.
local CHUNK, totals, last = 3000, {}, (#ARGV - 8) / 2
for from = 1, last, CHUNK do
  local names, sets, to = {}, {}, math.min(last, from + CHUNK - 1)
  for i = from, to do names[i - from + 1] = ARGV[7 + 2 * i] end
  local known = redis.call('MGET', unpack(names))
  local flights = isBefore and redis.call('HMGET', FDELTAS, unpack(names))
  local pendings = redis.call('HMGET', DELTAS, unpack(names))
  for i = 1, #names do
    local name, stored, total = names[i], ARGV[6 + 2 * (from + i)], known[i]
    if not total then
      local flight, pending = flights and flights[i] or '0', pendings[i] or '0'
      local partial = stored + flight
      if math.abs(partial) <= sumMax and math.abs(partial + pending) <= limit then
        if flight == '0' and pending == '0' and not ttlMs then
          sets[#sets + 1], sets[#sets + 2], total = name, stored, stored
        else
          put(name, stored, ttlMs, now)
          -- The server's sums are exact to 64 bits.
          if flight ~= '0' then redis.call('INCRBY', name, flight) end
          if pending ~= '0' then redis.call('INCRBY', name, pending) end
          total = redis.call('GET', name)
        end
      end
    end
    totals[#totals + 1] = total
  end
  if #sets > 0 then redis.call('MSET', unpack(sets)) end
end
return { 'totals', totals }
