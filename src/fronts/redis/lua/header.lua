-- The lane as it is, and whether it was recovered in this run of the server.
-- KEYS  1 header
-- Gives { 'header', header, 1 when current }
-- Cost  O(1)
return { 'header', redis.call('HGETALL', HEADER), redis.call('HGET', HEADER, 'run') == RUN and 1 or 0 }
