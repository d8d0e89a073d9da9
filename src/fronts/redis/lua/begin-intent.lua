-- Registers a write-through writer in each slot: what was there is hidden, and fills are refused, until it finishes.
-- KEYS  1 header
-- ARGV  1 incarnation, 2 token, 3 ms that the intent lives, then slot names
-- Gives { 'done' } | { 'unrecovered', header }
-- Cost  O(slots); a call for each, and one for every 3,000 of them
if not isCurrent(ARGV[1]) then return unrecovered() end
local token, deadline = ARGV[2], expiryIn(ARGV[3])
local alone, CHUNK = '!' .. token, 3000
for from = 4, #ARGV, CHUNK do
  local last = math.min(#ARGV, from + CHUNK - 1)
  local found = redis.call('MGET', unpack(ARGV, from, last))
  for i = from, last do
    local raw, slot = found[i - from + 1], alone
    if raw and string.sub(raw, 1, 1) == '!' then
      local list = string.gsub(raw, '^!!?', '')
      slot = '!!' .. (list == '' and token or list .. ',' .. token)
    end
    redis.call('SET', ARGV[i], slot, 'PXAT', deadline)
  end
end
return { 'done' }
