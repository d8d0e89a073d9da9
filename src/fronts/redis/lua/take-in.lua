-- How a step begins that takes in what is not a document: what mutations read of the header, and whether it is the
-- caller's lane.
-- ARGV  1 incarnation, 2 shape
local raw = redis.call('GET', HEADER)
if not raw then return unrecovered() end
local seq, epoch, pending, pendingBytes, tombstones, sinceMs, flightEntries, flightBytes,
  run, inc, shape, stopped, state = struct.unpack(READ, raw)
if run ~= RUN or inc ~= ARGV[1] then return unrecovered() end
if stopped ~= '' then return { 'stopped', stopped } end
if shape ~= ARGV[2] then return { 'misshapen', shape } end
