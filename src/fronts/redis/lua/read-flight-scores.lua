-- A page of the changes of the generation in flight.
-- KEYS  1 header
-- ARGV  1 epoch, 2 generation, 3 cursor, 4 members wanted
-- Gives { 'changes', next, { member and weight in turn, '' where it was removed } } | { 'refused', epoch }
-- Cost  O(members wanted); a small hash comes whole
if not inFlight(ARGV[1], ARGV[2]) then return refused() end
local page = redis.call('HSCAN', FSCORES, ARGV[3], 'COUNT', ARGV[4])
return { 'changes', page[1] == '0' and '' or page[1], page[2] }
