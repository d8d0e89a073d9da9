-- What the lane knows of one key, recovered or not.
-- KEYS  1 header
-- ARGV  1 key
-- Gives { 'report', slot or nil, ms or negative, 1 when pending, 1 when in flight, header }
-- Cost  O(1)
local h = lane()
local name = PREFIX .. (h and h.inc or '') .. ':' .. ARGV[1]
local function either(marks, deltas)
  return math.max(redis.call('SISMEMBER', marks, name), redis.call('HEXISTS', deltas, name))
end
return { 'report', redis.call('GET', name), redis.call('PTTL', name),
  either(PENDING, DELTAS), either(FLIGHT, FDELTAS), told() }
