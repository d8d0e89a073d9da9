import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { inPath, install } from '../servers/programs.ts';
import type { Check } from './checks.ts';

const run = promisify(execFile);

const MODEL = new URL('../../model/lane.pml', import.meta.url).pathname;
const MEMORY_MIB_MAX = 4_000;
const DEPTH_MAX = 100_000;
const OUTPUT_BYTES_MAX = 64 * 2 ** 20;

export interface Verdict {
  readonly outcome: 'holds' | 'violated';
  /** What was violated, and the line of the model; '' if nothing was. */
  readonly violation: string;
  readonly states: number;
  /** Of the longest run, in steps. */
  readonly depth: number;
  readonly seconds: number;
  /** What happened in the run that ends in the violation, a line each. */
  readonly trail: readonly string[];
}

/**
 * Searches all states in the scope of the check, or until the first violation. Rejects when the search could not be
 * finished.
 */
export async function search(check: Check): Promise<Verdict> {
  const spin = await program('spin', ['spin']);
  const compiler = await program('gcc', ['gcc', 'libc6-dev']);
  const cwd = await mkdtemp(join(tmpdir(), 'millrace-model-'));
  try {
    const defines = check.defines.map((define) => `-D${define}`);
    await run(spin, ['-a', ...defines, MODEL], { cwd });
    // Every state is kept as a whole: no hashing that could take two for one.
    const kind = check.progress === true ? ['-DNP', '-DNOFAIR'] : ['-DSAFETY'];
    // Below a million states optimising takes longer than it saves.
    await run(
      compiler,
      [
        check.long === true ? '-O2' : '-O0',
        ...kind,
        '-DCOLLAPSE',
        '-DNOREDUCE',
        `-DMEMLIM=${MEMORY_MIB_MAX}`,
        '-o',
        'pan',
        'pan.c',
      ],
      { cwd },
    );
    const { stdout } = await run(
      './pan',
      ['-E', `-m${DEPTH_MAX}`, '-w22', ...(check.progress === true ? ['-l'] : [])],
      { cwd, maxBuffer: OUTPUT_BYTES_MAX },
    );
    const errors = Number(/errors: (\d+)/.exec(stdout)?.[1]);
    if (
      !(errors >= 0) ||
      /max search depth too small|out of memory|reached -DMEMLIM/.test(stdout) ||
      (errors === 0 && stdout.includes('Search not completed'))
    ) {
      throw new Error(`the search was not finished:\n${stdout.slice(0, 2_000)}`);
    }
    const figures = {
      states: Number(/(\d+) states, stored/.exec(stdout)?.[1]),
      depth: Number(/depth reached (\d+)/.exec(stdout)?.[1]),
      seconds: Number(/elapsed time ([\d.]+) s/.exec(stdout)?.[1]),
    };
    if (errors === 0) return { outcome: 'holds', violation: '', trail: [], ...figures };
    const replay = await run(spin, ['-k', 'lane.pml.trail', ...defines, MODEL], { cwd, maxBuffer: OUTPUT_BYTES_MAX });
    return {
      outcome: 'violated',
      violation: await violationOf(replay.stdout),
      trail: trailOf(replay.stdout),
      ...figures,
    };
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
}

/** The assertion as the model has it: the one that spin prints has its macros expanded. */
async function violationOf(replay: string): Promise<string> {
  const line = Number(/lane\.pml:(\d+), Error: assertion violated/.exec(replay)?.[1]);
  if (!(line > 0)) return 'a run that never ends';
  const source = (await readFile(MODEL, 'utf8')).split('\n');
  return `line ${line}: ${source[line - 1]?.trim()}`;
}

const trailOf = (replay: string): string[] =>
  (replay.split(/^spin: /m)[0] as string)
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);

async function program(name: string, packages: readonly string[]): Promise<string> {
  return (
    (await inPath(name))[0] ?? install(name, `no ${name} in the PATH, which checks the model: install it`, packages)
  );
}
