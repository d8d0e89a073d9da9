-- What every step begins with. Before it stands the flags line and `local RUN = '<run id>'`: the text names the very
-- run of the server that it was loaded into, so a step that is found by its digest proves which run it speaks to.
-- KEYS[1] is the lane's header; the lane's other keys share its prefix, which is its hash tag:
--   header   string: see header.ts and ADR 32    pending  set: names of the slots that are dirty
--   flight   set: names, of the generation cut   frozen   hash: name to the slot at the cut, where it was written since
--   ttls     hash: name to expiry in ms          <incarnation>:<key>  a slot, as a plain string; that is its name
--   and those of counters, logs and leaderboards: see shape.lua
--   cursor   string: how far the marks of the flight are cleaned
--   garbage  set: incarnations whose slots are still to be removed, or '*'
local HEADER = KEYS[1]
local PREFIX = string.sub(HEADER, 1, -7)

-- The header: eight numbers, in 64 bytes that mutations replace; six texts that they read; and what they do not look
-- at.
--   seq epoch pe pb pt ps fe fb | run inc shape stopped fstate ttls
--   | lanes gen stored lease flush fgen fseq ft fs inv | epochs owner fdigest
local NUMBERS, READ, WHOLE, NUMBERS_LENGTH = '>dddddddd', '>ddddddddssssss', '>ddddddddssssssddddddddddsss', 64

-- The server's clock, ms since the epoch.
local function clock()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- The header as it is told to who called: its fields in their order, none when there is no header.
local function told()
  local raw = redis.call('GET', HEADER)
  return raw and { struct.unpack(WHOLE, raw) } or {}
end

local function unrecovered()
  return { 'unrecovered', told() }
end
