import { loadBuild, OWN } from '../suite/builds.ts';
import { type Contestant, type Contestants } from '../suite/compete.ts';
import type { Stage } from '../suite/stage.ts';
import { FRONTS, type OpenFront } from './fronts.ts';
import { type RedisCalls, redisCalls } from './redis-calls.ts';
import { ROWS, type Row, type Subject } from './rows.ts';

/** What one build did of a row in one pair. */
export interface PairedSample {
  readonly perSecond: number;
  /** For each operation; undefined where there is no Redis. */
  readonly calls: RedisCalls | undefined;
}

/** Both builds of each row, under names of {@link nameOf}. */
export const builds: Contestants<PairedSample> = Object.fromEntries(
  Object.entries(ROWS).flatMap(([name, row]) => [
    [nameOf(name, 'this'), (stage: Stage) => contestant(row, OWN, stage)],
    [nameOf(name, 'other'), (stage: Stage) => contestant(row, stage.against as string, stage)],
  ]),
);

export function nameOf(row: string, side: 'this' | 'other'): string {
  return `${row}, ${side}`;
}

function contestant(row: Row, folder: string, stage: Stage): Contestant<PairedSample> {
  let millrace: Awaited<ReturnType<typeof loadBuild>>;
  let open: OpenFront;
  let subject: Subject;
  return {
    async open() {
      millrace = await loadBuild(folder);
    },
    async before() {
      await stage.freshTable();
      open = await FRONTS[row.front](millrace, stage);
      subject = await row.open({ millrace, stage, front: open.front, kind: open.kind });
    },
    async run() {
      if (open.kind !== 'redis') return { perSecond: (await subject.run()).perSecond, calls: undefined };
      const before = await redisCalls(stage);
      const { perSecond } = await subject.run();
      const after = await redisCalls(stage);
      const each = (what: keyof RedisCalls): number => (after[what] - before[what]) / subject.count;
      return { perSecond, calls: { commands: each('commands'), scripts: each('scripts') } };
    },
    async after() {
      await subject.close();
      await open.remove();
    },
  };
}
