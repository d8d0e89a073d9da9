import {
  type BoardRefusal,
  type FillScoresResult,
  type FlightScoresResult,
  type LoadedScores,
  type ScoreBatch,
  type ScoreOp,
  type ScoreOutcome,
  type ScoreQuery,
  type ScoreResult,
  type ScoreRows,
  scoresWithoutRoom,
  WEIGHT_MAX,
} from '../../core/lane-scores.ts';
import type { BoardProgress } from '../../core/score-table.ts';
import type { Shape } from '../../core/shape.ts';
import type { BoardFront } from '../../ports/board-front.ts';
import { flagged, pageArgs, refusal, refused } from './answers.ts';
import type { Reply } from './lane-steps.ts';
import type { StepRunner } from './step-runner.ts';

/** The steps of a leaderboard, with arguments and answers as their scripts have them. */
export const boardFront = (steps: StepRunner): BoardFront => ({
  async writeScores(lane, batch) {
    const reply = await steps.accept(lane, 'writeScores', batch.ops.length, (incarnation) =>
      writeScoresArgs(batch, incarnation),
    );
    return 'kind' in reply ? reply : scoresWritten(reply, batch);
  },

  async fillScores(lane, loaded) {
    const fill = async (part: LoadedScores) =>
      scoresFilled(await steps.run(lane, 'fillScores', (incarnation) => fillScoresArgs(part, incarnation)), part);
    // All are sent at once; where one is not put in, those after it do not begin where the board is.
    const results = await Promise.all(partsOfScores(loaded).map(fill));
    return results.find(({ kind }) => kind !== 'filled') ?? (results.at(-1) as FillScoresResult);
  },

  async readScores(lane, shape, query) {
    const args = (incarnation: string) => readScoresArgs(shape, query, incarnation);
    return scoresRead(await steps.run(lane, 'readScores', args), shape);
  },

  async readFlightScores(lane, epoch, generation, cursor, limit) {
    return flightScoresPage(
      await steps.run(lane, 'readFlightScores', () => pageArgs(epoch, generation, cursor, limit)),
    );
  },
});

const OPS: Readonly<Record<ScoreOp, string>> = { set: 's', best: 'b', add: 'a', remove: 'r' };
const BEYOND = '!';

function writeScoresArgs(
  { ops, members, weights, shape, bytes, maxEntries, maxBytes }: ScoreBatch,
  incarnation: string,
): string[] {
  const args = [incarnation, shape, String(bytes), String(maxEntries), String(maxBytes), String(WEIGHT_MAX)];
  for (let i = 0; i < ops.length; i++) args.push(OPS[ops[i] as ScoreOp], members[i] as string, String(weights[i]));
  return args;
}

function scoresWritten(reply: Reply, batch: ScoreBatch): ScoreResult {
  if (reply[0] === 'full') {
    const [, entries, bytes, needing] = reply as readonly [string, number, number, number[]];
    const fresh = flagged(new Set(batch.members).size, needing);
    return { kind: 'full', entries, bytes, refused: scoresWithoutRoom(fresh, batch, entries, bytes) };
  }
  if (reply[0] !== 'accepted') return boardRefusal(reply, batch.shape);
  const [, seq, epoch, pending, entries, bytes, accepted, outcomes] = reply as readonly [
    string,
    number,
    number,
    number,
    number,
    number,
    number,
    (string | number)[],
  ];
  return { kind: 'accepted', seq, epoch, pending, entries, bytes, accepted, outcomes: outcomes.map(outcomeOf) };
}

const outcomeOf = (weight: string | number): ScoreOutcome =>
  weight === '' ? undefined : weight === BEYOND ? 'beyond' : Number(weight);

/** Rows that one script puts on the board: 2 ms on a board of a million. */
const FILL_ROWS_MAX = 500;

/** What was loaded, in parts of which each begins where the one before it ends. */
export function partsOfScores(loaded: LoadedScores): LoadedScores[] {
  const { page, ...rest } = loaded;
  if (page === undefined || page.rows.length <= FILL_ROWS_MAX) return [loaded];
  const parts: LoadedScores[] = [];
  let { from } = page;
  for (let at = 0; at < page.rows.length; at += FILL_ROWS_MAX) {
    const rows = page.rows.slice(at, at + FILL_ROWS_MAX);
    const next = at + FILL_ROWS_MAX < page.rows.length ? (rows.at(-1) as readonly [string, number])[0] : page.next;
    parts.push({ ...rest, page: { from, next, rows } });
    from = next ?? '';
  }
  return parts;
}

function fillScoresArgs({ generation, epoch, shape, page, doubts = [] }: LoadedScores, incarnation: string): string[] {
  const args = [
    incarnation,
    shape,
    String(generation),
    String(epoch),
    page === undefined ? '' : '1',
    page?.from ?? '',
    page?.next ?? '',
    page !== undefined && page.next === undefined ? '1' : '',
    String(doubts.length),
  ];
  for (const { member, token, weight } of doubts) args.push(member, token, weight === undefined ? '' : String(weight));
  for (const [member, weight] of page?.rows ?? []) args.push(member, String(weight));
  return args;
}

function scoresFilled(reply: Reply, { shape }: LoadedScores): FillScoresResult {
  if (reply[0] === 'stale') return { kind: 'stale' };
  return reply[0] === 'filled' ? { kind: 'filled', ...progressOf(reply) } : refusal(reply, shape);
}

function readScoresArgs(shape: Shape, query: ScoreQuery, incarnation: string): string[] {
  switch (query.kind) {
    case 'range':
      return [incarnation, shape, 'range', String(query.from), String(query.count)];
    case 'around':
      return [incarnation, shape, 'around', query.member, String(query.count)];
    case 'members':
      return [incarnation, shape, 'members', ...query.members];
  }
}

function scoresRead(reply: Reply, shape: Shape): ScoreRows | BoardRefusal {
  if (reply[0] !== 'rows') return boardRefusal(reply, shape);
  return {
    kind: 'rows',
    first: reply[1] as number,
    rows: pairs(reply[2] as string[]).map(([member, weight]) => [member, Number(weight)] as const),
  };
}

function flightScoresPage(reply: Reply): FlightScoresResult {
  if (reply[0] === 'refused') return refused(reply);
  // The member '' is nobody: it makes a table of the hash.
  const rows = pairs(reply[2] as string[]).flatMap(([member, weight]) =>
    member === '' ? [] : [[member, weight === '' ? null : Number(weight)] as const],
  );
  return { kind: 'changes', next: reply[1] as string, rows };
}

const boardRefusal = (reply: Reply, shape: Shape): BoardRefusal =>
  reply[0] === 'unloaded' ? { kind: 'unloaded', ...progressOf(reply) } : refusal(reply, shape);

function progressOf([, epoch, complete, cursor, doubts]: Reply): BoardProgress {
  return {
    epoch: epoch as number,
    complete: complete === 1,
    cursor: cursor as string,
    doubts: pairs(doubts as string[]),
  };
}

function pairs(flat: readonly string[]): (readonly [string, string])[] {
  const list: (readonly [string, string])[] = [];
  for (let i = 0; i < flat.length; i += 2) list.push([flat[i] as string, flat[i + 1] as string]);
  return list;
}
