-- The lane as it is, and whether it was recovered in this run of the server.
-- KEYS  1 header
-- Gives { 'header', header, 1 when current }
-- Cost  O(1)
local h = told()
return { 'header', h, h[9] == RUN and 1 or 0 }
