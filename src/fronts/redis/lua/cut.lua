-- Turns what is pending into a generation. A flight that is already there is returned instead.
-- KEYS  1 header
-- ARGV  1 incarnation, 2 epoch, 3 digest
-- Gives { 'cut', header } | { 'empty', header } | { 'refused', epoch } | { 'stopped', reason } | { 'unrecovered', header }
-- Cost  O(1), whatever is pending
if not entered(ARGV[1]) then return unrecovered() end
local h = redis.call('HMGET', HEADER, 'epoch', 'stopped', 'fstate', 'pe', 'seq', 'gen', 'pb', 'pt', 'ps')
if tonumber(h[1]) ~= tonumber(ARGV[2]) then return { 'refused', tonumber(h[1]) } end
if h[2] ~= '' then return { 'stopped', h[2] } end
if h[3] ~= '' then return { 'cut', redis.call('HGETALL', HEADER) } end
if h[4] == '0' then return { 'empty', redis.call('HGETALL', HEADER) } end
local seq, generation = tonumber(h[5]) + 1, tonumber(h[6]) + 1
redis.call('UNLINK', FLIGHT, FDELTAS, FLOG, FSCORES)
-- What is missing was never there, or was removed behind the lane's back, and the flusher counts the loss.
for from, to in pairs({ [PENDING] = FLIGHT, [DELTAS] = FDELTAS, [LOG] = FLOG, [SCORES] = FSCORES }) do
  if redis.call('EXISTS', from) == 1 then redis.call('RENAME', from, to) end
end
redis.call('HSET', HEADER, 'seq', seq, 'gen', generation, 'fstate', 'cut', 'fgen', generation, 'fseq', seq,
  'fdigest', ARGV[3], 'fe', h[4], 'fb', h[7], 'ft', h[8], 'fs', h[9], 'pe', 0, 'pb', 0, 'pt', 0, 'ps', 0)
return { 'cut', redis.call('HGETALL', HEADER) }
