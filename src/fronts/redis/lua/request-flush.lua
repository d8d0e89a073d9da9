-- Asks whoever flushes the lane to do so up to its present seq.
-- KEYS  1 header
-- ARGV  1 incarnation
-- Gives { 'requested', header } | { 'unrecovered', header }
-- Cost  O(1)
local h = entered(ARGV[1])
if not h then return unrecovered() end
h.flush = h.seq
save(h)
return { 'requested', told() }
