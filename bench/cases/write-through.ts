import { millraceOver } from '../contestants/millrace.ts';
import { writeThrough as textbook } from '../contestants/textbook.ts';
import { type Contestant, type Contestants, compete } from '../suite/compete.ts';
import { load, ratioOf, type Sample } from '../suite/measure.ts';
import { atLeast, type CaseReport, dataOf, linesOf } from '../suite/report.ts';
import { documentOf, type Stage } from '../suite/stage.ts';

const IN_FLIGHT = 64;
const value = documentOf();

export const throughWriters: Contestants = {
  'textbook write-through': (stage) => ({
    async before() {
      await stage.empty();
      await stage.freshTable();
    },
    run: () => written(stage, (key) => textbook(stage.pool, stage.redis, [key, JSON.stringify(value)])),
  }),
  'millrace write-through': millrace,
};

function written(stage: Stage, write: (key: string) => Promise<unknown>): Promise<Sample> {
  return load(IN_FLIGHT, stage.quick ? 6_000 : 30_000, stage.redisCpuUs, (i) => write(`k${i}`));
}

function millrace(stage: Stage): Contestant {
  return millraceOver(stage, 'write-through', (cache) => written(stage, (key) => cache.set(key, value)));
}

/** Write-through beside its textbook form. */
export async function writeThrough(stage: Stage): Promise<CaseReport> {
  const rounds = await compete(stage, import.meta.url, { throughWriters });
  return {
    name: 'write-through',
    title: `write-through, distinct keys, ${IN_FLIGHT} in flight`,
    lines: linesOf(rounds),
    verdicts: [
      atLeast('writes/s against the textbook', ratioOf(rounds, 'millrace write-through', 'textbook write-through'), 4),
    ],
    data: dataOf(rounds),
  };
}
