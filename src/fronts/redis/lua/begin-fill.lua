-- Puts a fill token into each empty slot. A slot that is not empty is returned and left alone.
-- KEYS  1 header
-- ARGV  1 incarnation, 2 token, 3 ms that the token lives, then slot names
-- Gives { 'slots', { slot or nil for each } } | { 'unrecovered', header }
-- Cost  O(slots)
if not entered(ARGV[1]) then return unrecovered() end
local token, tokenMs, now = '?' .. ARGV[2], tonumber(ARGV[3]), clock()
local slots = {}
for i = 4, #ARGV do
  local raw = redis.call('GET', ARGV[i])
  if not raw then put(ARGV[i], token, tokenMs, now) end
  slots[#slots + 1] = raw
end
return { 'slots', slots }
