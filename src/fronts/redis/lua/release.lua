-- Gives the lease back, so that another worker need not wait for it to run out.
-- KEYS  1 header
-- ARGV  1 owner
-- Gives { 'done' }
-- Cost  O(1)
local h = lane()
if h and h.owner == ARGV[1] then
  h.owner, h.lease = '', 0
  save(h)
end
return { 'done' }
