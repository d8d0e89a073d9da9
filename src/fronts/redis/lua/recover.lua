-- Brings the lane in line with the store's fence. Repeating it with the same fence does no harm.
-- KEYS  1 header
-- ARGV  1 lanes, 2 a new incarnation, 3 to 6 the fence's epoch, generation, seq, digest, 7 owner or '', 8 ms of the
--       lease, 9 '1' when it is tentative, 10 the epochs that the store remembers, 11 the shape of a lane that is
--       created, 12 '1' to forget what is clean
-- Gives { 'created' | 'current' | 'behind', header, entries dropped } | { 'lanes', lanes } | { 'refused', epoch }
--       | { 'stopped', reason }
-- Cost  O(1), whatever the lane holds; to forget, O(what is pending or in flight)
local lanes, epoch, generation, seq = tonumber(ARGV[1]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local owner, leaseUntilMs = ARGV[7], 0
if owner ~= '' then leaseUntilMs = math.ceil(clock() + ARGV[8]) end
-- A tentative recovery opens nothing before it is confirmed: no step accepts such a run.
local run = ARGV[9] == '1' and '?' .. RUN or RUN
local h = lane()

-- The last 32 epochs that front and store remember, with the seq at which each began; keep in step with EPOCHS_KEPT.
local function epochsFrom(atSeq)
  local seqs, order = {}, {}
  -- What was never confirmed is no epoch.
  for _, list in ipairs({ h and string.sub(h.run, 1, 1) ~= '?' and h.epochs or '', ARGV[10] }) do
    for e, s in string.gmatch(list, '(%d+):(%d+)') do
      if not seqs[e] then order[#order + 1] = tonumber(e) end
      seqs[e] = s
    end
  end
  table.sort(order)
  local starts = {}
  for _, e in ipairs(order) do
    -- Of epochs that began at the same seq or later the new one tells enough.
    if e ~= epoch and tonumber(seqs[whole(e)]) < atSeq then starts[#starts + 1] = whole(e) .. ':' .. seqs[whole(e)] end
  end
  starts[#starts + 1] = whole(epoch) .. ':' .. whole(atSeq)
  return table.concat(starts, ',', math.max(1, #starts - 31))
end

if not h then
  clear()
  fresh(run, lanes, ARGV[11], ARGV[2], epoch, epochsFrom(seq), generation, seq, owner, leaseUntilMs)
  return { generation == 0 and seq == 0 and 'created' or 'behind', told(), 0 }
end
if h.lanes ~= lanes then return { 'lanes', h.lanes } end
if epoch < h.epoch then return { 'refused', h.epoch } end

local cut = h.fstate == 'cut'
if h.seq < seq then
  local dropped = h.pe + (cut and h.fe or 0)
  local epochs = epochsFrom(seq)
  clear(h.inc)
  fresh(run, lanes, ARGV[11], ARGV[2], epoch, epochs, generation, seq, owner, leaseUntilMs)
  return { 'behind', told(), dropped }
end

-- Reads a front that is not behind against the fence: is its flight applied, or is something unexplained?
local frontGeneration, stored, flight = h.gen, h.stored, h.fgen
local storedGeneration = cut and flight - 1 or frontGeneration
local applied, stopped = false, ''
if generation < storedGeneration then
  stopped = 'the store lost generations ' .. whole(generation + 1) .. ' to ' .. whole(storedGeneration)
    .. ' that it had acknowledged: it was restored or failed over without its last transactions'
elseif generation == storedGeneration then
  if seq ~= stored then
    stopped = 'generation ' .. whole(generation) .. ' ends at seq ' .. whole(seq)
      .. ' in the store but at ' .. whole(stored) .. ' in the front'
  end
elseif cut and generation == flight then
  if ARGV[6] == h.fdigest and seq == h.fseq then
    applied = true
  else
    stopped = 'generation ' .. whole(flight) .. ' in the store is not the one that the front cut'
  end
else
  stopped = 'the store has generation ' .. whole(generation)
    .. ', which the front at generation ' .. whole(frontGeneration) .. ' never cut'
end
-- The same run, and the lane was recovered in it: nothing can have been lost since.
if h.run ~= RUN then h.epochs, h.run = epochsFrom(h.seq), run end
h.epoch, h.owner, h.lease, h.stopped = epoch, owner, leaseUntilMs, stopped
if applied then
  h.fstate, h.stored = 'stored', h.fseq
  redis.call('UNLINK', FROZEN)
end
if ARGV[12] == '1' then forgetClean(h, ARGV[2]) end
save(h)
if stopped ~= '' then return { 'stopped', stopped } end
return { 'current', told(), 0 }
