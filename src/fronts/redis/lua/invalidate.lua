-- Empties each slot, whatever it holds; a fill or refresh under way comes to nothing.
-- KEYS  1 header
-- ARGV  1 incarnation, then slot names
-- Gives { 'done' } | { 'unrecovered', header }
-- Cost  O(slots)
if not entered(ARGV[1]) then return unrecovered() end
for from = 2, #ARGV, 6000 do
  redis.call('UNLINK', unpack(ARGV, from, math.min(#ARGV, from + 5999)))
end
return { 'done' }
