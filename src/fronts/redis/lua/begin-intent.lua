-- Registers a write-through writer in each slot: what was there is hidden, and fills are refused, until it finishes.
-- KEYS  1 header
-- ARGV  1 incarnation, 2 token, 3 ms that the intent lives, then slot names
-- Gives { 'done' } | { 'unrecovered', header }
-- Cost  O(slots)
if not entered(ARGV[1]) then return unrecovered() end
local token, intentMs, now = ARGV[2], tonumber(ARGV[3]), clock()
for i = 4, #ARGV do
  local raw = redis.call('GET', ARGV[i]) or ''
  local slot = '!' .. token
  if string.sub(raw, 1, 1) == '!' then
    local list = string.gsub(raw, '^!!?', '')
    slot = '!!' .. (list == '' and token or list .. ',' .. token)
  end
  put(ARGV[i], slot, intentMs, now)
end
return { 'done' }
