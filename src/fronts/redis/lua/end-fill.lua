-- Puts what was loaded into each slot that still has the token of a fill or a refresh. A slot that was written
-- meanwhile is returned and left alone ('' when it is empty).
-- KEYS  1 header
-- ARGV  1 incarnation, 2 token, 3 expiry in ms or '', then pairs of slot name and JSON ('' empties the slot)
-- Gives { 'slots', { slot or nil for each } } | { 'unrecovered', header }
-- Cost  O(slots)
if not entered(ARGV[1]) then return unrecovered() end
local filling, refreshing = '?' .. ARGV[2], '^' .. ARGV[2] .. ':'
local ttlMs, now = tonumber(ARGV[3]), clock()
local slots = {}
for i = 4, #ARGV, 2 do
  local raw = redis.call('GET', ARGV[i]) or ''
  if raw == filling or string.sub(raw, 1, #refreshing) == refreshing then
    if ARGV[i + 1] == '' then
      redis.call('UNLINK', ARGV[i])
    else
      put(ARGV[i], ARGV[i + 1], ttlMs, now)
    end
    raw = false
  end
  slots[#slots + 1] = raw
end
return { 'slots', slots }
