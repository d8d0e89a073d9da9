-- Turns what is pending into a generation. A flight that is already there is returned instead.
-- KEYS  1 header
-- ARGV  1 incarnation, 2 epoch, 3 digest
-- Gives { 'cut', header } | { 'empty', header } | { 'refused', epoch } | { 'stopped', reason }
--       | { 'unrecovered', header }
-- Cost  O(1), whatever is pending
local h = entered(ARGV[1])
if not h then return unrecovered() end
if h.epoch ~= tonumber(ARGV[2]) then return { 'refused', h.epoch } end
if h.stopped ~= '' then return { 'stopped', h.stopped } end
if h.fstate ~= '' then return { 'cut', told() } end
if h.pe == 0 then return { 'empty', told() } end
redis.call('UNLINK', FLIGHT, flights())
-- What is missing was never there, or was removed behind the lane's back, and the flusher counts the loss.
local from, to = { PENDING, pendings() }, { FLIGHT, flights() }
for i = 1, #from do
  if redis.call('EXISTS', from[i]) == 1 then redis.call('RENAME', from[i], to[i]) end
end
h.seq, h.gen = h.seq + 1, h.gen + 1
h.fstate, h.fgen, h.fseq, h.fdigest, h.fe, h.fb, h.ft, h.fs = 'cut', h.gen, h.seq, ARGV[3], h.pe, h.pb, h.pt, h.ps
h.pe, h.pb, h.pt, h.ps = 0, 0, 0, 0
save(h)
return { 'cut', told() }
