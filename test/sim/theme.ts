import { AMBUSHES, FAULTS } from './faults.ts';
import type { Prng } from './prng.ts';
import type { Setup } from './surroundings.ts';

/** What goes wrong in a schedule, and how often. */
export interface Plan {
  readonly faults: readonly string[];
  /** Steps that a fault can lie in wait for, as `step` or `step: answer`. */
  readonly ambushes: readonly string[];
  readonly faultsMin: number;
  readonly faultsMax: number;
  /** How many of the faults lie in wait for a step instead of coming at a time. */
  readonly ambushChance: number;
  /** How long after the step it may come, ms. */
  readonly ambushMsMax: number;
}

/** What a schedule of documents is about. */
export interface Theme extends Plan {
  readonly name: string;
  /** How long a client rests between two operations, as a rule, ms. */
  readonly pauseMsMax: number;
  /** Whether everybody's counters must add up at the end: nobody dies, and every answer arrives. */
  readonly isCounted: boolean;
}

const COUNTED = ['suspend', 'process clock jumps', 'store down', 'store slow', 'deadlocks', 'commits lost'];
const TAKEOVERS = [
  'suspend',
  'suspended while the front loses its tail',
  'kill',
  'cut connection',
  'FLUSHALL',
  'front restarts without its tail',
  'commits after their caller gave up',
];
const REPEATS = [
  'cut connection',
  'cut connection',
  'cut connection',
  'front restarts',
  'front restarts without its tail',
  'FLUSHALL',
  'suspend',
];
const LETTERS = [
  'suspend',
  'suspended while the front loses its tail',
  'kill',
  'cut connection',
  'front restarts without its tail',
  'commits without an answer',
  'commits after their caller gave up',
  'store slow',
];

/**
 * What is rare when everything can happen is frequent when little can: many schedules draw from all faults, the
 * others from a few kinds, or from those that one part of the protocol is there for.
 */
export function drawTheme(prng: Prng, policy: Setup['policy']): Theme {
  const ambushes = AMBUSHES[policy === 'write-behind' ? 'write-behind' : 'direct'];
  const all = {
    faults: Object.keys(FAULTS),
    ambushes,
    faultsMin: 5,
    faultsMax: 9,
    ambushChance: 0.4,
    ambushMsMax: 0,
    pauseMsMax: 40,
    isCounted: false,
  };
  const choice = prng.fraction();
  if (choice < 0.06 && policy === 'write-behind')
    return {
      ...all,
      name: 'repeats',
      faults: REPEATS,
      ambushes: ['write: overtaking', 'write: overtaking', 'write', 'recover'],
      faultsMax: 14,
      ambushChance: 0.8,
      ambushMsMax: 4,
      pauseMsMax: 4,
    };
  if (choice < 0.45) return { ...all, name: 'anything' };
  if (choice < 0.6 || policy !== 'write-behind')
    return { ...all, name: 'few kinds', faults: some(prng, all.faults), ambushes: some(prng, ambushes), faultsMax: 14 };
  if (choice < 0.75)
    return {
      ...all,
      name: 'takeovers',
      faults: TAKEOVERS,
      ambushes: [
        'claim',
        'recover',
        'header',
        'raiseEpoch',
        'beginEpoch',
        'confirm',
        'cut',
        'readGeneration',
        'acknowledge',
        'statement',
      ],
      faultsMax: 14,
      ambushChance: 0.7,
    };
  if (choice < 0.9)
    return {
      ...all,
      name: 'letters',
      faults: LETTERS,
      ambushes: ['letters', 'retry', 'commit', 'acknowledge', 'invalidate', 'sync', 'write'],
      ambushChance: 0.6,
    };
  return { ...all, name: 'counted', faults: COUNTED, isCounted: true };
}

function some(prng: Prng, list: readonly string[]): string[] {
  return Array.from({ length: prng.between(1, 3) }, () => prng.pick(list));
}
