-- What the text of a lane's shape says. No other script reads it, and src/core/shape.ts alone in TypeScript.
local function isRanked(shape)
  return string.sub(shape, 1, 6) == 'scores'
end

local function countsInvalidations(shape)
  return string.sub(shape, 1, 8) == 'counters'
end

-- What was loaded before is too late from now on.
local function invalidated(h)
  if countsInvalidations(h.shape) then h.inv = h.inv + 1 end
end
