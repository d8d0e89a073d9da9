-- Ends a write-through writer. If it was alone all the time its value is published, otherwise the last writer leaves
-- the slot empty: the order of their commits is not known.
-- KEYS  1 header
-- ARGV  1 incarnation, 2 token, then triples of slot name, JSON ('' leaves the slot empty) and expiry in ms or ''
-- Gives { 'done' } | { 'unrecovered', header }
-- Cost  O(slots and writers in them)
if not entered(ARGV[1]) then return unrecovered() end
local now = clock()
local function finish(name, json, ttlMs)
  local raw = redis.call('GET', name) or ''
  if raw == '' then return end
  if string.sub(raw, 1, 1) ~= '!' then return redis.call('UNLINK', name) end
  local others = {}
  for token in string.gmatch(string.gsub(raw, '^!!?', ''), '[^,]+') do
    if token ~= ARGV[2] then others[#others + 1] = token end
  end
  if #others > 0 then
    redis.call('SET', name, '!!' .. table.concat(others, ','), 'KEEPTTL')
  elseif json == '' or string.sub(raw, 2, 2) == '!' then
    redis.call('UNLINK', name)
  else
    put(name, json, tonumber(ttlMs), now)
  end
end
for i = 3, #ARGV, 3 do finish(ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
return { 'done' }
