/** What one contestant did in one round. */
export interface Sample {
  /** Operations per second. */
  readonly perSecond: number;
  /** CPU time of this process and of Redis, µs for each operation. */
  readonly clientUs: number;
  readonly redisUs: number;
  /** Latency of one operation, µs. */
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
}

/** The rounds of each contestant, by name, in the order of the list. */
export type Rounds<S> = ReadonlyMap<string, readonly S[]>;

/** Keeps `inFlight` operations under way until `count` have been done, and measures them. */
export async function load(
  inFlight: number,
  count: number,
  redisCpuUs: () => Promise<number>,
  operate: (i: number) => Promise<unknown>,
): Promise<Sample> {
  const latencies = new Float64Array(count);
  const redisBefore = await redisCpuUs();
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  let next = 0;
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (next < count) {
        const i = next++;
        const before = performance.now();
        await operate(i);
        latencies[i] = performance.now() - before;
      }
    }),
  );
  const seconds = (performance.now() - startedAt) / 1_000;
  const used = process.cpuUsage(cpu);
  const redisUs = ((await redisCpuUs()) - redisBefore) / count;
  latencies.sort();
  const at = (part: number): number => (latencies[Math.min(count - 1, Math.floor(count * part))] as number) * 1_000;
  return {
    perSecond: count / seconds,
    clientUs: (used.user + used.system) / count,
    redisUs,
    p50Us: at(0.5),
    p99Us: at(0.99),
    p999Us: at(0.999),
  };
}

/** Operations per second of something that is timed as a whole. */
export async function timed(
  count: number,
  redisCpuUs: () => Promise<number>,
  work: () => Promise<unknown>,
): Promise<Sample> {
  const redisBefore = await redisCpuUs();
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  await work();
  const ms = performance.now() - startedAt;
  const used = process.cpuUsage(cpu);
  const redisUs = ((await redisCpuUs()) - redisBefore) / count;
  return {
    perSecond: (count * 1_000) / ms,
    clientUs: (used.user + used.system) / count,
    redisUs,
    p50Us: 0,
    p99Us: 0,
    p999Us: 0,
  };
}

export const medianOf = (list: readonly number[]): number => quantileOf(list, 0.5);

/**
 * The value below which `part` of the list is, 0 to 1, between two of them where it falls between; NaN of an empty
 * list.
 */
export function quantileOf(list: readonly number[], part: number): number {
  const sorted = list.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * part;
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? Number.NaN;
  return below + (above - below) * (at - Math.floor(at));
}

export function median(samples: readonly Sample[]): Sample {
  const of = (pick: (sample: Sample) => number): number => medianOf(samples.map(pick));
  return {
    perSecond: of((s) => s.perSecond),
    clientUs: of((s) => s.clientUs),
    redisUs: of((s) => s.redisUs),
    p50Us: of((s) => s.p50Us),
    p99Us: of((s) => s.p99Us),
    p999Us: of((s) => s.p999Us),
  };
}

/** Median over the rounds of how one contestant compares to another in the same round. */
export function ratioOf(
  rounds: Rounds<Sample>,
  over: string,
  under: string,
  pick: (sample: Sample) => number = (s) => s.perSecond,
): number {
  const below = rounds.get(under) ?? [];
  return medianOf((rounds.get(over) ?? []).map((sample, i) => pick(sample) / pick(below[i] as Sample)));
}
