-- The store has the rows of these members changed past the lane's generations: they are to be read anew, unless a
-- change that is pending or in flight replaces them.
-- KEYS  1 header
-- ARGV  1 incarnation, then members
-- Gives { 'done' } | { 'unrecovered', header }
-- Cost  O(members)
if not entered(ARGV[1]) then return unrecovered() end
for i = 2, #ARGV do
  if redis.call('HEXISTS', SCORES, ARGV[i]) == 0 and redis.call('HEXISTS', FSCORES, ARGV[i]) == 0 then
    doubt(ARGV[i])
  end
end
return { 'done' }
