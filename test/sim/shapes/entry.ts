const ENTRIES = {
  counters: 'test/sim/shapes/counters-worker.ts',
  log: 'test/sim/shapes/log-worker.ts',
  scores: 'test/sim/shapes/scores-worker.ts',
} as const;

export type ShapeName = keyof typeof ENTRIES;
export const SHAPES = Object.keys(ENTRIES) as readonly ShapeName[];

/** What the simulator of a shape is bundled from. */
export const entryOf = (shape: ShapeName): string => ENTRIES[shape];

/** The command that runs a schedule again. */
export const replayOf = (shape: ShapeName, seed: number, turns = false): string =>
  `npm run sim:shapes -- --shape ${shape} --seed ${seed}${turns ? ' --turns' : ''}`;
