-- Takes or renews the lease. A lease that ran out is anybody's.
-- KEYS  1 header
-- ARGV  1 incarnation, 2 owner, 3 ms that the lease lasts
-- Gives { 'claimed', 1 when held, header } | { 'unrecovered', header }
-- Cost  O(1)
if not entered(ARGV[1]) then return unrecovered() end
local now, lease = clock(), redis.call('HMGET', HEADER, 'owner', 'lease')
if lease[1] ~= '' and lease[1] ~= ARGV[2] and tonumber(lease[2]) > now then
  return { 'claimed', 0, redis.call('HGETALL', HEADER) }
end
redis.call('HSET', HEADER, 'owner', ARGV[2], 'lease', whole(now + ARGV[3]))
return { 'claimed', 1, redis.call('HGETALL', HEADER) }
