-- Opens a lane of a cache without write-behind. After a restart of the server its values may be older than the store's.
-- KEYS  1 header
-- ARGV  1 lanes, 2 a new incarnation
-- Gives { 'adopted', header } | { 'pending', entries } | { 'lanes', lanes }
-- Cost  O(1), whatever the lane holds
local h, lanes = lane(), tonumber(ARGV[1])
local epoch, generation, seq = 0, 0, 0
if h then
  if h.lanes ~= lanes then return { 'lanes', h.lanes } end
  local entries = h.pe + (h.fstate == 'cut' and h.fe or 0)
  if entries > 0 then return { 'pending', entries } end
  if h.run == RUN then return { 'adopted', told() } end
  epoch, generation, seq = h.epoch, h.gen, h.seq
end
clear(h and h.inc)
fresh(RUN, lanes, '', ARGV[2], epoch, whole(epoch) .. ':' .. whole(seq), generation, seq, '', 0)
return { 'adopted', told() }
