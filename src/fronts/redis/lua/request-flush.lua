-- Asks whoever flushes the lane to do so up to its present seq.
-- KEYS  1 header
-- ARGV  1 incarnation
-- Gives { 'requested', header } | { 'unrecovered', header }
-- Cost  O(1)
if not entered(ARGV[1]) then return unrecovered() end
redis.call('HSET', HEADER, 'flush', redis.call('HGET', HEADER, 'seq'))
return { 'requested', redis.call('HGETALL', HEADER) }
