import type { Mutant } from './mutant.ts';

const FENCE = 'src/core/fence.ts';
const STORE = 'test/sim/sim-database.ts';

/** The compare-and-set itself is SQL; there the simulated store has the bug. */
export const STORE_MUTANTS: readonly Mutant[] = [
  {
    name: 'no fence',
    file: STORE,
    find: 'const verdict = judgeFence(generation, fence);',
    replace: 'const verdict = undefined as ReturnType<typeof judgeFence>;',
    why: 'whoever was suspended commits over its successor',
  },
  {
    name: 'fence without epoch',
    file: FENCE,
    find: "if (fence.epoch > epoch) return 'superseded';\n  return fence.epoch === epoch && fence.generation",
    replace: 'return fence.generation',
    why: 'a worker that slept through its lease commits',
  },
  {
    name: 'fence without generation',
    file: FENCE,
    find: 'fence.epoch === epoch && fence.generation === generation - 1',
    replace: 'fence.epoch === epoch',
    why: 'a commit that comes late takes the store back',
  },
  {
    name: 'any generation is applied',
    file: FENCE,
    find: 'fence.generation === generation && fence.digest === digest && fence.seq === cutSeq',
    replace: 'fence.generation >= 0',
    why: 'nothing is ever stored, and all is acknowledged',
  },
  {
    name: 'epoch not raised',
    file: STORE,
    find: 'const epoch = Math.max(fence.epoch, above) + 1;',
    replace: 'const epoch = Math.max(fence.epoch, above, 1);',
    why: 'two workers have the lane under one epoch',
  },
  {
    name: 'epoch recorded over a higher one',
    file: STORE,
    find:
      "beginEpoch(lane: number, epoch: number, epochs: Fence['epochs']): boolean {\n" +
      '    const fence = this.fences[lane] as Fence;\n' +
      '    if (fence.epoch !== epoch) return false;',
    replace:
      "beginEpoch(lane: number, epoch: number, epochs: Fence['epochs']): boolean {\n" +
      '    const fence = this.fences[lane] as Fence;',
    why: 'a recovery that slept opens the lane of its successor',
  },
  {
    name: 'retry without fence and state',
    file: STORE,
    find: "if (this.fences[lane]?.epoch !== epoch) return { kind: 'fenced' };",
    replace: 'if (this.fences[lane]?.epoch !== epoch) for (const { key, json } of letters) this.#write(key, json);',
    why: 'a letter is stored over a later write by who lost the lane',
  },
  {
    name: 'letters not superseded',
    file: 'src/testing/memory-letters.ts',
    find: 'if (!keys.has(letter.key) || letter.supersededAt !== undefined) continue;',
    replace: 'continue;',
    why: 'a refused row is stored over a later write of its key',
  },
  {
    name: 'redrive of a replaced letter',
    file: 'src/testing/memory-letters.ts',
    find: 'if (letter.supersededAt !== undefined) {',
    replace: 'if (letter.cache === undefined) {',
    why: 'a dead letter takes the place of a later write of its key',
  },
];
