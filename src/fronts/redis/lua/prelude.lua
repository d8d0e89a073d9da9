-- What every step begins with. Before it stands the flags line and `local RUN = '<run id>'`: the text names the very
-- run of the server that it was loaded into, so a step that is found by its digest proves which run it speaks to.
-- KEYS[1] is the lane's header; the lane's other keys share its prefix, which is its hash tag:
--   header   hash: see header.ts                 pending  set: names of the slots that are dirty
--   flight   set: names, of the generation cut   frozen   hash: name to the slot at the cut, where it was written since
--   ttls     hash: name to expiry in ms          <incarnation>:<key>  a slot, as a plain string; that is its name
--   and those of counters, logs and leaderboards: see shape.lua
--   garbage  set: incarnations whose slots are still to be removed, or '*'
local HEADER = KEYS[1]
local PREFIX = string.sub(HEADER, 1, -7)
local PENDING, FLIGHT, FROZEN, TTLS = PREFIX .. 'pending', PREFIX .. 'flight', PREFIX .. 'frozen', PREFIX .. 'ttls'

-- The server's clock, ms since the epoch.
local function clock()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- A whole number as text: tostring would lose digits above 10^14. A time is rounded up.
local function whole(number)
  return string.format('%.0f', math.ceil(number))
end

-- Fills a slot for `ttlMs` ms, without `ttlMs` for ever. The server keeps what expires now for the rest of the ms.
local function put(name, raw, ttlMs, now)
  if not ttlMs then
    redis.call('SET', name, raw)
  elseif ttlMs > 0 then
    redis.call('SET', name, raw, 'PXAT', whole(now + ttlMs))
  else
    redis.call('UNLINK', name)
  end
end

local function unrecovered()
  return { 'unrecovered', redis.call('HGETALL', HEADER) }
end

-- Whether the lane was recovered in this run of the server and has the caller's incarnation.
local function entered(incarnation)
  local believed = redis.call('HMGET', HEADER, 'run', 'inc')
  return believed[1] == RUN and believed[2] == incarnation
end
