-- Takes or renews the lease. A lease that ran out is anybody's.
-- KEYS  1 header
-- ARGV  1 incarnation, 2 owner, 3 ms that the lease lasts
-- Gives { 'claimed', 1 when held, header } | { 'unrecovered', header }
-- Cost  O(1)
local h, now = entered(ARGV[1]), clock()
if not h then return unrecovered() end
if h.owner ~= '' and h.owner ~= ARGV[2] and h.lease > now then return { 'claimed', 0, told() } end
h.owner, h.lease = ARGV[2], math.ceil(now + ARGV[3])
save(h)
return { 'claimed', 1, told() }
