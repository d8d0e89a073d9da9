// The built package of this checkout, as users have it.
import { loadBuild, OWN } from './builds.ts';

export const {
  createCache,
  createCounters,
  createLog,
  lmdbFront,
  MemoryStore,
  memoryFront,
  postgresCounters,
  postgresLog,
  postgresStore,
  redisFront,
} = await loadBuild(OWN);
