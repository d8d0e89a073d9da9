-- Opens a lane that was recovered tentatively in this run, once the store has said that the epoch is still the last.
-- KEYS  1 header
-- ARGV  1 epoch
-- Gives { 'confirmed', header } | { 'refused', epoch }
-- Cost  O(1)
local h = redis.call('HMGET', HEADER, 'epoch', 'run')
if h[1] ~= ARGV[1] or (h[2] ~= RUN and h[2] ~= '?' .. RUN) then return { 'refused', tonumber(h[1] or 0) } end
redis.call('HSET', HEADER, 'run', RUN)
return { 'confirmed', redis.call('HGETALL', HEADER) }
