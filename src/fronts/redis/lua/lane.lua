-- For steps that look at more of a lane than what a mutation needs.
local PENDING, FLIGHT, FROZEN, TTLS = PREFIX .. 'pending', PREFIX .. 'flight', PREFIX .. 'frozen', PREFIX .. 'ttls'

-- The header by the names of its fields, or nil.
local function lane()
  local raw = redis.call('GET', HEADER)
  if not raw then return nil end
  local h = {}
  h.seq, h.epoch, h.pe, h.pb, h.pt, h.ps, h.fe, h.fb, h.run, h.inc, h.shape, h.stopped, h.fstate, h.ttls,
    h.lanes, h.gen, h.stored, h.lease, h.flush, h.fgen, h.fseq, h.ft, h.fs, h.inv,
    h.epochs, h.owner, h.fdigest = struct.unpack(WHOLE, raw)
  return h
end

local function save(h)
  redis.call('SET', HEADER, struct.pack(WHOLE, h.seq, h.epoch, h.pe, h.pb, h.pt, h.ps, h.fe, h.fb,
    h.run, h.inc, h.shape, h.stopped, h.fstate, h.ttls,
    h.lanes, h.gen, h.stored, h.lease, h.flush, h.fgen, h.fseq, h.ft, h.fs, h.inv, h.epochs, h.owner, h.fdigest))
end

-- The header, if the lane was recovered in this run of the server and has the caller's incarnation.
local function entered(incarnation)
  local h = lane()
  return h and h.run == RUN and h.inc == incarnation and h or nil
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

-- For a load from another generation than the lane's: in a lane that is stopped no other load would fit either.
local function staleOr(h)
  return h.stopped == '' and { 'stale' } or { 'stopped', h.stopped }
end
