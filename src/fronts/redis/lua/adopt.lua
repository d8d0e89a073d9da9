-- Opens a lane of a cache without write-behind. After a restart of the server its values may be older than the store's.
-- KEYS  1 header
-- ARGV  1 lanes, 2 a new incarnation
-- Gives { 'adopted', header } | { 'pending', entries } | { 'lanes', lanes }
-- Cost  O(1), whatever the lane holds
local h = redis.call('HMGET', HEADER, 'lanes', 'inc', 'run', 'epoch', 'gen', 'seq', 'pe', 'fstate', 'fe')
local epoch, generation, seq = h[4] or '0', h[5] or '0', h[6] or '0'
if h[1] then
  if h[1] ~= ARGV[1] then return { 'lanes', tonumber(h[1]) } end
  local entries = tonumber(h[7])
  if h[8] == 'cut' then entries = entries + tonumber(h[9]) end
  if entries > 0 then return { 'pending', entries } end
  if h[3] == RUN then return { 'adopted', redis.call('HGETALL', HEADER) } end
end
clear(h[2])
fresh(RUN, ARGV[1], '', ARGV[2], epoch, epoch .. ':' .. seq, generation, seq, '', 0)
return { 'adopted', redis.call('HGETALL', HEADER) }
