-- Ends a write-through writer. If it was alone all the time its value is published, otherwise the last writer leaves
-- the slot empty: the order of their commits is not known.
-- KEYS  1 header
-- ARGV  1 incarnation, 2 token, then triples of slot name, JSON ('' leaves the slot empty) and expiry in ms or ''
-- Gives { 'done' } | { 'unrecovered', header }
-- Cost  O(slots and writers in them); a call for each slot, and one for every 3,000 of them
if not isCurrent(ARGV[1]) then return unrecovered() end
local alone, CHUNK = '!' .. ARGV[2], 3000
-- By their span: most writes of a group have the cache's.
local deadlines = {}
local function publish(name, json, ttlMs)
  if ttlMs == '' then return redis.call('SET', name, json) end
  -- The server would keep what expires now for the rest of the ms.
  if ttlMs == '0' then return redis.call('UNLINK', name) end
  local deadline = deadlines[ttlMs] or expiryIn(ttlMs)
  deadlines[ttlMs] = deadline
  redis.call('SET', name, json, 'PXAT', deadline)
end
local function leave(raw, name)
  local others = {}
  for token in string.gmatch(string.gsub(raw, '^!!?', ''), '[^,]+') do
    if token ~= ARGV[2] then others[#others + 1] = token end
  end
  if #others > 0 then
    redis.call('SET', name, '!!' .. table.concat(others, ','), 'KEEPTTL')
  else
    redis.call('UNLINK', name)
  end
end
for from = 3, #ARGV, 3 * CHUNK do
  local names = {}
  for i = from, math.min(#ARGV, from + 3 * CHUNK - 1), 3 do names[#names + 1] = ARGV[i] end
  local found = redis.call('MGET', unpack(names))
  for n = 1, #names do
    local raw, json = found[n], ARGV[from + 3 * n - 2]
    if raw == alone and json ~= '' then
      publish(names[n], json, ARGV[from + 3 * n - 1])
    elseif raw and string.sub(raw, 1, 1) == '!' then
      leave(raw, names[n])
    elseif raw then
      redis.call('UNLINK', names[n])
    end
  end
end
return { 'done' }
