import { createHash } from 'node:crypto';
import acknowledge from './lua/acknowledge.lua';
import adopt from './lua/adopt.lua';
import append from './lua/append.lua';
import beginFill from './lua/begin-fill.lua';
import beginIntent from './lua/begin-intent.lua';
import beginRefresh from './lua/begin-refresh.lua';
import board from './lua/board.lua';
import claim from './lua/claim.lua';
import confirm from './lua/confirm.lua';
import cut from './lua/cut.lua';
import doubtScores from './lua/doubt-scores.lua';
import endFill from './lua/end-fill.lua';
import fillScores from './lua/fill-scores.lua';
import fillTotals from './lua/fill-totals.lua';
import finishIntent from './lua/finish-intent.lua';
import forgetClean from './lua/forget-clean.lua';
import fresh from './lua/fresh.lua';
import header from './lua/header.lua';
import inFlight from './lua/in-flight.lua';
import increment from './lua/increment.lua';
import inspect from './lua/inspect.lua';
import inspectScore from './lua/inspect-score.lua';
import intent from './lua/intent.lua';
import invalidate from './lua/invalidate.lua';
import lane from './lua/lane.lua';
import mark from './lua/mark.lua';
import prelude from './lua/prelude.lua';
import readDeltas from './lua/read-deltas.lua';
import readFlightScores from './lua/read-flight-scores.lua';
import readGeneration from './lua/read-generation.lua';
import readLog from './lua/read-log.lua';
import readScores from './lua/read-scores.lua';
import readWithTtl from './lua/read-with-ttl.lua';
import recover from './lua/recover.lua';
import release from './lua/release.lua';
import requestFlush from './lua/request-flush.lua';
import shape from './lua/shape.lua';
import shapeText from './lua/shape-text.lua';
import sweep from './lua/sweep.lua';
import takeIn from './lua/take-in.lua';
import write from './lua/write.lua';
import writeScores from './lua/write-scores.lua';

/**
 * `''`: refused as a whole when the server is out of memory, before it does anything. `allow-oom`: what makes room or
 * keeps a promise runs in any case. `no-writes`: runs even where the server takes no writes.
 */
type ScriptFlags = '' | 'allow-oom' | 'no-writes';

const SCRIPTS = {
  write: ['', write],
  increment: ['', takeIn + increment],
  // What it writes is small, and reads need its answer.
  fillTotals: ['allow-oom', lane + shape + fillTotals],
  append: ['', takeIn + append],
  writeScores: ['', shape + board + takeIn + writeScores],
  fillScores: ['', lane + shape + board + fillScores],
  readScores: ['no-writes', lane + shape + board + readScores],
  doubtScores: ['allow-oom', lane + shape + doubtScores],
  beginFill: ['', lane + beginFill],
  beginRefresh: ['', lane + beginRefresh],
  endFill: ['', lane + endFill],
  beginIntent: ['allow-oom', intent + beginIntent],
  finishIntent: ['', intent + finishIntent],
  finishIntentOutOfMemory: ['allow-oom', intent + finishIntent],
  invalidate: ['allow-oom', lane + shapeText + invalidate],
  claim: ['allow-oom', lane + claim],
  release: ['allow-oom', lane + release],
  requestFlush: ['allow-oom', lane + requestFlush],
  cut: ['allow-oom', lane + shape + cut],
  readGeneration: ['no-writes', lane + inFlight + readGeneration],
  readDeltas: ['no-writes', lane + shape + inFlight + readDeltas],
  readFlightScores: ['no-writes', lane + shape + inFlight + readFlightScores],
  readLog: ['no-writes', lane + shape + inFlight + readLog],
  acknowledge: ['allow-oom', lane + shapeText + shape + acknowledge],
  recover: ['allow-oom', lane + shapeText + shape + board + fresh + forgetClean + recover],
  confirm: ['allow-oom', lane + confirm],
  adopt: ['allow-oom', lane + shape + fresh + adopt],
  sweep: ['allow-oom', lane + sweep],
  mark: ['allow-oom', mark],
  header: ['no-writes', header],
  readWithTtl: ['no-writes', lane + readWithTtl],
  inspect: ['no-writes', lane + shape + inspect],
  inspectScore: ['no-writes', lane + shape + board + inspectScore],
} as const satisfies Record<string, readonly [ScriptFlags, string]>;

export type ScriptName = keyof typeof SCRIPTS;

export interface BoundScript {
  readonly text: string;
  readonly sha: string;
}

/**
 * The scripts as they are for one run of a server. The script cache is neither saved nor replicated since Redis 7.0,
 * so a call by digest succeeds on this very run or not at all: no write pays for asking who it speaks to.
 */
export function bindScripts(runId: string): ReadonlyMap<ScriptName, BoundScript> {
  const bound = new Map<ScriptName, BoundScript>();
  for (const name of Object.keys(SCRIPTS) as ScriptName[]) {
    const [flags, body] = SCRIPTS[name];
    const text = `#!lua${flags === '' ? '' : ` flags=${flags}`}\nlocal RUN = '${runId}'\n${prelude}\n${body}`;
    bound.set(name, { text, sha: createHash('sha1').update(text).digest('hex') });
  }
  return bound;
}
