-- For what reads a generation: whether it is the lane's, and the refusal when it is not.
local function refused()
  local h = lane()
  return { 'refused', h and h.epoch or 0 }
end

-- The lane's incarnation, if the generation is in flight under this epoch and in this run, and the bytes of its average
-- entry.
local function inFlight(epoch, generation)
  local h = lane()
  if not h or h.run ~= RUN or h.epoch ~= tonumber(epoch) then return nil end
  if h.fstate == '' or h.fgen ~= tonumber(generation) then return nil end
  return h.inc, math.max(1, h.fb / math.max(1, h.fe))
end

-- How many entries a step reads: as many of those wanted as have BYTES on the average, but one at least.
local BYTES = 524288
local function portion(wanted, size)
  return math.max(1, math.min(tonumber(wanted), math.floor(BYTES / size)))
end
