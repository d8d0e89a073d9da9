-- A page of the generation in flight: marks first, then frozen values, so a key frozen meanwhile comes twice.
-- KEYS  1 header
-- ARGV  1 epoch, 2 generation, 3 'm' or 'f' and a cursor, 4 keys wanted
-- Gives { 'rows', next, length of what each name begins with, names, slots } | { 'refused', epoch }
-- Cost  O(keys wanted); a small set comes whole
local inc = inFlight(ARGV[1], ARGV[2])
if not inc then return refused() end
local phase, cursor, prefix = string.sub(ARGV[3], 1, 1), string.sub(ARGV[3], 2), #PREFIX + #inc + 1
local names, slots = {}, {}
if phase == 'f' then
  local page = redis.call('HSCAN', FROZEN, cursor, 'COUNT', ARGV[4])
  for i = 1, #page[2], 2 do
    names[#names + 1] = page[2][i]
    slots[#slots + 1] = page[2][i + 1]
  end
  return { 'rows', page[1] == '0' and '' or 'f' .. page[1], prefix, names, slots }
end
local page = redis.call('SSCAN', FLIGHT, cursor, 'COUNT', ARGV[4])
names = page[2]
for from = 1, #names, 6000 do
  local part = redis.call('MGET', unpack(names, from, math.min(#names, from + 5999)))
  for i = 1, #part do slots[from + i - 1] = part[i] end
end
-- What is frozen after the last mark was read has been read already.
local last = redis.call('EXISTS', FROZEN) == 1 and 'f0' or ''
return { 'rows', page[1] == '0' and last or 'm' .. page[1], prefix, names, slots }
