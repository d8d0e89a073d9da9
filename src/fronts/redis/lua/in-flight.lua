-- For what reads a generation: whether it is the lane's, and the refusal when it is not.
local function refused()
  return { 'refused', tonumber(redis.call('HGET', HEADER, 'epoch') or 0) }
end

-- The lane's incarnation, if the generation is in flight under this epoch and in this run.
local function inFlight(epoch, generation)
  local h = redis.call('HMGET', HEADER, 'epoch', 'fstate', 'fgen', 'inc', 'run')
  if not h[1] or h[5] ~= RUN or tonumber(h[1]) ~= tonumber(epoch) or h[2] == '' or tonumber(h[3]) ~= tonumber(generation) then return nil end
  return h[4]
end
