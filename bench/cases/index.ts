import type { CaseReport } from '../suite/report.ts';
import type { Stage } from '../suite/stage.ts';

export type Case = (stage: Stage) => Promise<CaseReport>;

/** The cases in the order of a run. Each is loaded when its turn comes: it needs the build, which its name does not. */
export const CASES: Readonly<Record<string, () => Promise<Case>>> = {
  'accepted-writes': async () => (await import('./accepted-writes.ts')).acceptedWrites,
  'one-in-flight': async () => (await import('./accepted-writes.ts')).oneInFlight,
  'hot-keys': async () => (await import('./accepted-writes.ts')).hotKeys,
  increments: async () => (await import('./increments.ts')).increments,
  reads: async () => (await import('./reads.ts')).reads,
  drain: async () => (await import('./drain.ts')).drain,
  appends: async () => (await import('./appends.ts')).appends,
  'end-to-end': async () => (await import('./end-to-end.ts')).endToEnd,
  'write-through': async () => (await import('./write-through.ts')).writeThrough,
  latency: async () => (await import('./latency.ts')).latency,
  adaptive: async () => (await import('./adaptive.ts')).adaptive,
  memory: async () => (await import('./embedded.ts')).memory,
  lmdb: async () => (await import('./embedded.ts')).lmdb,
  backlog: async () => (await import('./backlog.ts')).backlog,
  'redis-memory': async () => (await import('./redis-memory.ts')).redisMemory,
  sizes: async () => (await import('./tables.ts')).sizes,
  lanes: async () => (await import('./tables.ts')).lanes,
  workers: async () => (await import('./tables.ts')).workers,
  import: async () => (await import('./import.ts')).importing,
};
