-- Removes slots that are not of the lane's present incarnation, whatever it has become since they were found.
-- KEYS  1 header
-- ARGV  slot names
-- Gives { 'swept' }
-- Cost  O(slots), freed in the background
local h = lane()
if not h then return { 'swept' } end
local own = PREFIX .. h.inc .. ':'
for i = 1, #ARGV do
  if string.sub(ARGV[i], 1, #own) ~= own then redis.call('UNLINK', ARGV[i]) end
end
return { 'swept' }
