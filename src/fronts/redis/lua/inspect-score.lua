-- What the lane knows of one member, recovered or not.
-- KEYS  1 header
-- ARGV  1 member
-- Gives { 'report', weight or nil, negative, 1 when pending, 1 when in flight, header }
-- Cost  O(log members)
local h = lane()
local weight = redis.call('ZSCORE', boardOf(h and h.inc or ''), ARGV[1])
return { 'report', weight, -1, redis.call('HEXISTS', SCORES, ARGV[1]), redis.call('HEXISTS', FSCORES, ARGV[1]), told() }
