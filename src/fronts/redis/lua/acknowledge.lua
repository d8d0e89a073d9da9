-- Cleans a bounded part of a generation that the store has: expiries are set, tombstones and refused values go.
-- KEYS  1 header
-- ARGV  1 epoch, 2 generation, 3 expiry in ms or '', 4 keys to clean in this step (0: only refused ones go), then
--       refused keys
-- Gives { 'done' | 'more', header } | { 'refused', epoch }
-- Cost  O(keys to clean and refused ones), O(refused ones) when nothing expires
local h = lane()
if not h or h.run ~= RUN or h.epoch ~= tonumber(ARGV[1]) then return { 'refused', h and h.epoch or 0 } end
local generation = tonumber(ARGV[2])
if h.fstate == '' and h.gen == generation then return { 'done', told() } end
if h.fstate == '' or h.fgen ~= generation then return { 'refused', h.epoch } end

local prefix = PREFIX .. h.inc .. ':'
for i = 5, #ARGV do
  local name = prefix .. ARGV[i]
  local forgets = refuse(ARGV[i], name)
  if redis.call('SREM', FLIGHT, name) == 1 or forgets then
    redis.call('UNLINK', name)
    redis.call('HDEL', TTLS, name)
  end
end

if #ARGV > 4 then invalidated(h) end

local ttlMs, limit = tonumber(ARGV[3]), tonumber(ARGV[4])
if limit == 0 then
  save(h)
  return { 'more', told() }
end

redis.call('UNLINK', FROZEN, flights())

local tombstones, hasTtls = h.ft > 0, redis.call('EXISTS', TTLS) == 1
local done, cursorKey = not ttlMs and not tombstones and not hasTtls, PREFIX .. 'cursor'
if not done then
  -- On from where the last step came to: SPOP would look for each mark anew, among more and more places that are empty.
  local page = redis.call('SSCAN', FLIGHT, h.fstate == 'stored' and redis.call('GET', cursorKey) or '0', 'COUNT', limit)
  local cursor, names, now = page[1], page[2], clock()
  -- A page can have more, and a small set comes whole: what is left of it is found by another scan.
  local count = math.min(#names, limit)
  for from = 1, count, 6000 do redis.call('SREM', FLIGHT, unpack(names, from, math.min(count, from + 5999))) end
  local due = ttlMs and whole(now + ttlMs)
  for i = 1, count do
    local name, at = names[i], due
    if hasTtls then
      local own = redis.call('HGET', TTLS, name)
      if own then
        at = whole(now + own)
        redis.call('HDEL', TTLS, name)
      end
    end
    if tombstones and redis.call('GETRANGE', name, 0, 1) == '~' then
      redis.call('UNLINK', name)
    elseif at then
      redis.call('PEXPIREAT', name, at)
    end
  end
  -- A server that was restarted, too, has marks behind the cursor.
  done = cursor == '0' and redis.call('EXISTS', FLIGHT) == 0
  redis.call('SET', cursorKey, cursor, 'PX', 3600000)
end
if done then redis.call('UNLINK', FLIGHT, cursorKey) end
h.stored, h.fstate, h.ttls = h.fseq, done and '' or 'stored', redis.call('EXISTS', TTLS) == 1 and '1' or ''
save(h)
return { done and 'done' or 'more', told() }
