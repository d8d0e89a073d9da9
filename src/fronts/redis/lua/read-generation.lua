-- A page of the generation in flight: marks first, then frozen values, so a key frozen meanwhile comes twice.
-- KEYS  1 header
-- ARGV  1 epoch, 2 generation, 3 'm' or 'f' and a cursor, or 'r' and the cursor after the names that are left, 4 keys
--       wanted, then the names that are left of an earlier page
-- Gives { 'rows', next, length of what each name begins with, names, slots, names that are left } | { 'refused', epoch
--       }
-- Cost  O(keys wanted), and some 512 KiB of values, which is a millisecond or two; names of a small set come whole
local inc, size = inFlight(ARGV[1], ARGV[2])
if not inc then return refused() end
local phase, cursor, prefix = string.sub(ARGV[3], 1, 1), string.sub(ARGV[3], 2), #PREFIX + #inc + 1
local wanted = portion(ARGV[4], size)
local names, slots, rest = {}, {}, {}
if phase == 'f' then
  local page = redis.call('HSCAN', FROZEN, cursor, 'COUNT', wanted)
  for i = 1, #page[2], 2 do
    names[#names + 1] = page[2][i]
    slots[#slots + 1] = page[2][i + 1]
  end
  return { 'rows', page[1] == '0' and '' or 'f' .. page[1], prefix, names, slots, rest }
end
local marked
if phase == 'r' then
  -- A mark that has gone since was frozen, and comes after all marks.
  marked = {}
  for i, is in ipairs(redis.call('SMISMEMBER', FLIGHT, unpack(ARGV, 5))) do
    if is == 1 then marked[#marked + 1] = ARGV[4 + i] end
  end
else
  local page = redis.call('SSCAN', FLIGHT, cursor, 'COUNT', wanted)
  cursor, marked = page[1], page[2]
end
local bytes, chunk = 0, math.min(wanted, 64)
for from = 1, #marked, chunk do
  if bytes >= BYTES then
    for i = from, #marked do rest[#rest + 1] = marked[i] end
    break
  end
  local part = redis.call('MGET', unpack(marked, from, math.min(#marked, from + chunk - 1)))
  for i = 1, #part do
    names[#names + 1], slots[#slots + 1] = marked[from + i - 1], part[i]
    bytes = bytes + (part[i] and #part[i] or 0)
  end
end
if #rest > 0 then return { 'rows', 'r' .. cursor, prefix, names, slots, rest } end
-- What is frozen after the last mark was read has been read already.
local last = redis.call('EXISTS', FROZEN) == 1 and 'f0' or ''
return { 'rows', cursor == '0' and last or 'm' .. cursor, prefix, names, slots, rest }
