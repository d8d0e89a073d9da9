-- Writes something on the connection that is to wait: WAIT and WAITAOF wait for what their own connection wrote last,
-- and everything that was acknowledged before comes before it.
-- KEYS  1 the mark
-- Gives { 'marked' }
-- Cost  O(1)
redis.call('SET', KEYS[1], '1', 'PX', 60000)
return { 'marked' }
