-- A page of the deltas of the generation in flight.
-- KEYS  1 header
-- ARGV  1 epoch, 2 generation, 3 cursor, 4 keys wanted
-- Gives { 'deltas', next, length of what each name begins with, { name and sum in turn } } | { 'refused', epoch }
-- Cost  O(keys wanted); a small hash comes whole
local inc = inFlight(ARGV[1], ARGV[2])
if not inc then return refused() end
local page = redis.call('HSCAN', FDELTAS, ARGV[3], 'COUNT', ARGV[4])
return { 'deltas', page[1] == '0' and '' or page[1], #PREFIX + #inc + 1, page[2] }
