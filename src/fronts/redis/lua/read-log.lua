-- Entries of the log of the generation in flight.
-- KEYS  1 header
-- ARGV  1 epoch, 2 generation, 3 number of the first, from 0, 4 how many
-- Gives { 'entries', entries, how many were looked for } | { 'refused', epoch }
-- Cost  O(entries), as many as have 512 KiB on the average, and a little for each 8 KiB of the log before them
local inc, size = inFlight(ARGV[1], ARGV[2])
if not inc then return refused() end
local from, count = tonumber(ARGV[3]), portion(ARGV[4], size)
return { 'entries', redis.call('LRANGE', FLOG, from, from + count - 1), count }
