-- Opens a lane that was recovered tentatively in this run, once the store has said that the epoch is still the last.
-- KEYS  1 header
-- ARGV  1 epoch
-- Gives { 'confirmed', header } | { 'refused', epoch }
-- Cost  O(1)
local h = lane()
if not h or h.epoch ~= tonumber(ARGV[1]) or (h.run ~= RUN and h.run ~= '?' .. RUN) then
  return { 'refused', h and h.epoch or 0 }
end
h.run = RUN
save(h)
return { 'confirmed', told() }
