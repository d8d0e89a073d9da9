-- Cleans a bounded part of a generation that the store has: expiries are set, tombstones and refused values go.
-- KEYS  1 header
-- ARGV  1 epoch, 2 generation, 3 expiry in ms or '', 4 keys to clean in this step, then keys that the store refused
-- Gives { 'done' | 'more', header } | { 'refused', epoch }
-- Cost  O(keys to clean), O(1) when nothing expires
local h = redis.call('HMGET', HEADER, 'epoch', 'gen', 'fstate', 'fgen', 'fseq', 'ft', 'inc', 'run')
if not h[1] or h[8] ~= RUN or tonumber(h[1]) ~= tonumber(ARGV[1]) then return { 'refused', tonumber(h[1] or 0) } end
local generation, state = tonumber(ARGV[2]), h[3]
if state == '' and tonumber(h[2]) == generation then return { 'done', redis.call('HGETALL', HEADER) } end
if state == '' or tonumber(h[4]) ~= generation then return { 'refused', tonumber(h[1]) } end

local prefix = PREFIX .. h[7] .. ':'
for i = 5, #ARGV do
  local name = prefix .. ARGV[i]
  -- A total that has a refused delta in it is forgotten like a refused value.
  if redis.call('SREM', FLIGHT, name) == 1 or redis.call('HEXISTS', FDELTAS, name) == 1 then
    redis.call('UNLINK', name)
    redis.call('HDEL', TTLS, name)
  end
  -- A board stays complete, so a refused score is not forgotten but read anew.
  if redis.call('HEXISTS', FSCORES, ARGV[i]) == 1 and redis.call('HEXISTS', SCORES, ARGV[i]) == 0 then doubt(ARGV[i]) end
end

redis.call('UNLINK', FROZEN, FDELTAS, FLOG, FSCORES)

local ttlMs, limit = tonumber(ARGV[3]), tonumber(ARGV[4])
local tombstones, hasTtls = tonumber(h[6]) > 0, redis.call('EXISTS', TTLS) == 1
local done = not ttlMs and not tombstones and not hasTtls
if done then
  redis.call('UNLINK', FLIGHT)
else
  local names, now = redis.call('SPOP', FLIGHT, limit), clock()
  for i = 1, #names do
    local name, ttl = names[i], ttlMs
    if hasTtls then
      local own = redis.call('HGET', TTLS, name)
      if own then
        ttl = tonumber(own)
        redis.call('HDEL', TTLS, name)
      end
    end
    if tombstones and redis.call('GETRANGE', name, 0, 1) == '~' then
      redis.call('UNLINK', name)
    elseif ttl then
      redis.call('PEXPIREAT', name, whole(now + ttl))
    end
  end
  done = #names < limit
end
redis.call('HSET', HEADER, 'stored', h[5], 'fstate', done and '' or 'stored', 'ttls', redis.call('EXISTS', TTLS) == 1 and '1' or '')
return { done and 'done' or 'more', redis.call('HGETALL', HEADER) }
