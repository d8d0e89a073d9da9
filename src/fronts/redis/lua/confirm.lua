-- Opens a lane that was recovered tentatively, once the store has said that the epoch is still the last.
-- KEYS  1 header
-- ARGV  1 epoch
-- Gives { 'confirmed', header } | { 'refused', epoch }
-- Cost  O(1)
local epoch = redis.call('HGET', HEADER, 'epoch')
if epoch ~= ARGV[1] then return { 'refused', tonumber(epoch or 0) } end
redis.call('HSET', HEADER, 'run', RUN)
return { 'confirmed', redis.call('HGETALL', HEADER) }
