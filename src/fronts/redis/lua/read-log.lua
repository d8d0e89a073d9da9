-- Entries of the log of the generation in flight.
-- KEYS  1 header
-- ARGV  1 epoch, 2 generation, 3 number of the first, from 0, 4 number of the last
-- Gives { 'entries', entries } | { 'refused', epoch }
-- Cost  O(entries), and a little for each 8 KiB of the log before them
if not inFlight(ARGV[1], ARGV[2]) then return refused() end
return { 'entries', redis.call('LRANGE', FLOG, ARGV[3], ARGV[4]) }
