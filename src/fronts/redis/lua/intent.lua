-- For steps of write-through, which ask no more of the header than whether it is theirs.
local function isCurrent(incarnation)
  local raw = redis.call('GET', HEADER)
  if not raw then return false end
  local run, inc = struct.unpack('>ss', raw, NUMBERS_LENGTH + 1)
  return run == RUN and inc == incarnation
end

-- When what is written now expires, ms since the epoch as text: tostring would lose digits.
local function expiryIn(ms)
  return string.format('%.0f', math.ceil(clock() + ms))
end
