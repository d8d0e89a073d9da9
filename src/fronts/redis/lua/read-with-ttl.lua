-- A slot with the time it still has to live.
-- KEYS  1 header
-- ARGV  1 incarnation, 2 slot name
-- Gives { 'slot', slot or nil, ms or negative } | { 'unrecovered', header }
-- Cost  O(1)
if not entered(ARGV[1]) then return unrecovered() end
return { 'slot', redis.call('GET', ARGV[2]), redis.call('PTTL', ARGV[2]) }
