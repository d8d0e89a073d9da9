-- Puts entries at the end of the lane's log.
-- KEYS  1 header
-- ARGV  1 incarnation, 2 shape, 3 bytes of all entries, 4 entries max, 5 bytes max, then the entries (n)
-- Gives { 'accepted', seq, epoch, pending, entries, bytes } | { 'full', entries, bytes } | { 'stopped', reason }
--       | { 'unrecovered', header }
-- Cost  O(n); three calls, one of them with n entries
-- Refused for want of memory before anything is written.
local n, batchBytes, maxEntries, maxBytes = #ARGV - 5, ARGV[3] + 0, ARGV[4] + 0, ARGV[5] + 0
local entries, bytes = pending, pendingBytes
if state == 'cut' then entries, bytes = entries + flightEntries, bytes + flightBytes end
if bytes + batchBytes > maxBytes or entries + n > maxEntries then return { 'full', entries, bytes } end
-- unpack fails at about 8,000 values.
for from = 6, #ARGV, 6000 do
  redis.call('RPUSH', PREFIX .. 'log', unpack(ARGV, from, math.min(#ARGV, from + 5999)))
end
if pending == 0 and n > 0 then sinceMs = clock() end
seq, pending, pendingBytes = seq + n, pending + n, pendingBytes + batchBytes
redis.call('SETRANGE', HEADER, 0, struct.pack(NUMBERS, seq, epoch, pending, pendingBytes, tombstones, sinceMs,
  flightEntries, flightBytes))
return { 'accepted', seq, epoch, pending, entries + n, bytes + batchBytes }
