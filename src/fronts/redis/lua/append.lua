-- Puts entries at the end of the lane's log.
-- KEYS  1 header
-- ARGV  1 incarnation, 2 shape, 3 bytes of all entries, 4 entries max, 5 bytes max, then the entries (n)
-- Gives { 'accepted', seq, epoch, pending, entries, bytes } | { 'full', entries, bytes, room } | { 'stopped', reason }
--       | { 'unrecovered', header }
-- Cost  O(n)
-- Refused for want of memory before anything is written.
local h = redis.call('HMGET', HEADER, 'run', 'inc', 'stopped', 'shape', 'fstate', 'pe', 'pb', 'seq', 'epoch', 'fe', 'fb')
if h[1] ~= RUN or h[2] ~= ARGV[1] then return unrecovered() end
if h[3] ~= '' then return { 'stopped', h[3] } end
if h[4] ~= ARGV[2] then return misshapen(h[4]) end

local n, batchBytes, maxEntries, maxBytes = #ARGV - 5, tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local pending, pendingBytes = tonumber(h[6]), tonumber(h[7])
local entries, bytes = pending, pendingBytes
if h[5] == 'cut' then
  entries, bytes = entries + tonumber(h[10]), bytes + tonumber(h[11])
end
local fitsBytes = bytes + batchBytes <= maxBytes
if not fitsBytes or entries + n > maxEntries then
  return { 'full', entries, bytes, fitsBytes and math.max(0, maxEntries - entries) or 0 }
end
-- unpack fails at about 8,000 values.
for from = 6, #ARGV, 6000 do
  redis.call('RPUSH', LOG, unpack(ARGV, from, math.min(#ARGV, from + 5999)))
end
local seq = tonumber(h[8]) + n
if pending == 0 and n > 0 then redis.call('HSET', HEADER, 'ps', clock()) end
redis.call('HSET', HEADER, 'seq', seq, 'pe', pending + n, 'pb', pendingBytes + batchBytes)
return { 'accepted', seq, tonumber(h[9]), pending + n, entries + n, bytes + batchBytes }
