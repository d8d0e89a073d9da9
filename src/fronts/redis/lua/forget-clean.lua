-- For recover: a new incarnation, into which goes what the store does not have yet. The slots that stay behind are
-- garbage.
local function forgetClean(h, incarnation)
  local old, own = PREFIX .. h.inc .. ':', PREFIX .. incarnation .. ':'
  local function renamed(name)
    return own .. string.sub(name, #old + 1)
  end
  for _, marks in ipairs({ PENDING, FLIGHT }) do
    local isDirty = marks == PENDING or h.fstate == 'cut'
    for _, name in ipairs(redis.call('SMEMBERS', marks)) do
      redis.call('SREM', marks, name)
      redis.call('SADD', marks, renamed(name))
      if isDirty and redis.call('EXISTS', name) == 1 then redis.call('RENAME', name, renamed(name)) end
    end
  end
  for _, hash in ipairs({ FROZEN, TTLS, named() }) do
    for _, name in ipairs(redis.call('HKEYS', hash)) do
      -- The name '' makes a table of the hash: see increment.lua.
      if name ~= '' then
        redis.call('HSET', hash, renamed(name), redis.call('HGET', hash, name))
        redis.call('HDEL', hash, name)
      end
    end
  end
  -- The marks of the flight have other places now.
  redis.call('UNLINK', PREFIX .. 'cursor', DOUBTS)
  redis.call('SADD', PREFIX .. 'garbage', h.inc)
  h.inc = incarnation
  if isRanked(h.shape) then begin(boardOf(incarnation)) end
end
