-- What the lane knows of one key, recovered or not.
-- KEYS  1 header
-- ARGV  1 key
-- Gives { 'report', slot or nil, ms or negative, 1 when pending, 1 when in flight, header }
-- Cost  O(1)
local h = lane()
local name = PREFIX .. (h and h.inc or '') .. ':' .. ARGV[1]
local pending, inFlight = redis.call('SISMEMBER', PENDING, name), redis.call('SISMEMBER', FLIGHT, name)
local hashes = { named() }
for i = 1, #hashes, 2 do
  pending = math.max(pending, redis.call('HEXISTS', hashes[i], name))
  inFlight = math.max(inFlight, redis.call('HEXISTS', hashes[i + 1], name))
end
return { 'report', redis.call('GET', name), redis.call('PTTL', name), pending, inFlight, told() }
