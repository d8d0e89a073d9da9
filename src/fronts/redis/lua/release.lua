-- Gives the lease back, so that another worker need not wait for it to run out.
-- KEYS  1 header
-- ARGV  1 owner
-- Gives { 'done' }
-- Cost  O(1)
if redis.call('HGET', HEADER, 'owner') == ARGV[1] then redis.call('HSET', HEADER, 'owner', '', 'lease', 0) end
return { 'done' }
