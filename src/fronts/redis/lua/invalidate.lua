-- Empties each slot that is not dirty, whatever it holds; a fill, a refresh or a load of totals under way comes to
-- nothing.
-- KEYS  1 header
-- ARGV  1 incarnation, then slot names
-- Gives { 'done' } | { 'unrecovered', header }
-- Cost  O(slots)
local h = entered(ARGV[1])
if not h then return unrecovered() end
local mayBeDirty = redis.call('EXISTS', PENDING, FLIGHT) > 0
for i = 2, #ARGV do
  local dirty = mayBeDirty
    and (redis.call('SISMEMBER', PENDING, ARGV[i]) == 1 or redis.call('SISMEMBER', FLIGHT, ARGV[i]) == 1)
  if not dirty then redis.call('UNLINK', ARGV[i]) end
end
local before = h.inv
invalidated(h)
if h.inv > before then save(h) end
return { 'done' }
