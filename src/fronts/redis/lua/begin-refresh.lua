-- Puts a refresh token before each value that is clean and expires; the expiry stays. A slot that is anything else
-- is returned and left alone: without an expiry it is dirty, and a token could hide its value from a flush.
-- KEYS  1 header
-- ARGV  1 incarnation, 2 token, then slot names
-- Gives { 'slots', { slot or nil for each } } | { 'unrecovered', header }
-- Cost  O(slots)
if not entered(ARGV[1]) then return unrecovered() end
local slots = {}
for i = 3, #ARGV do
  local raw = redis.call('GET', ARGV[i]) or ''
  if raw ~= '' and not string.find(raw, '^[~?^!]') and redis.call('PTTL', ARGV[i]) >= 0 then
    redis.call('SET', ARGV[i], '^' .. ARGV[2] .. ':' .. raw, 'KEEPTTL')
    raw = false
  end
  slots[#slots + 1] = raw
end
return { 'slots', slots }
