import type { Mutant } from './mutant.ts';

const GENERATION = 'src/engine/flushing/generation-flush.ts';
const WATERMARK = 'src/engine/lanes/watermark.ts';
const RECOVERY = 'src/engine/flushing/recovery.ts';
const DIRECT = 'src/engine/writing/direct-writer.ts';
const CONFIRMATION = 'src/engine/writing/ack-levels.ts';
const QUEUE = 'src/engine/writing/lane-queue.ts';
const BATCH = 'src/engine/shapes/document-batch.ts';
const READER = 'src/engine/shapes/reader.ts';
const BATCHES = 'src/engine/flushing/generation-reader.ts';
const PAGES = 'src/engine/shapes/pages.ts';

export const ENGINE_MUTANTS: readonly Mutant[] = [
  {
    name: 'first of two writes wins',
    file: BATCH,
    find: 'this.slots[i] = slot;',
    replace: '',
    why: 'writes of a key that are collected together are coalesced in the wrong order',
  },
  {
    name: 'lost answer resent',
    file: QUEUE,
    find: 'this.#fail(batch, error); this.#goOn(); return;',
    replace:
      "this.#putBack(batch); void this.#repeat(batch, { kind: 'unrecovered', header: undefined }, false); return;",
    why: 'a write is repeated over a newer one, and its caller is given one of two positions',
  },
  {
    name: 'repeated over newer',
    file: BATCH,
    find: 'if (this.index.has(key)) overtaken.set',
    replace: "if (key === '') overtaken.set",
    why: 'a batch that is sent again writes over what came after it',
  },
  {
    name: 'earlier write waits behind the later',
    file: QUEUE,
    find: 'const callers = other.extract(isBehind);',
    replace: 'const callers = other.order > batch.order ? other.extract(isBehind) : [];',
    why: 'of two writes of a key without room, the earlier one is written last',
    foundBy: 'test/unit/engine-writes.test.ts',
  },
  {
    name: 'repeated over unanswered',
    file: QUEUE,
    find: 'this.#overtake(batch, undefined);',
    replace: '',
    why: 'a batch that is sent again writes over a later one whose answer was lost',
    foundBy: 'test/unit/engine-writes.test.ts',
  },
  {
    name: 'synced by a restarted front',
    file: CONFIRMATION,
    find: 'if (watermark.survived(last)) return;',
    replace: 'return;',
    why: 'a front that lost the write confirms it',
  },
  {
    name: 'synced without a sync',
    file: CONFIRMATION,
    find: 'await front.sync(level, lane);',
    replace: '',
    why: 'the write is not on the disk',
  },

  {
    name: 'unknown commit taken for success',
    file: GENERATION,
    find: 'judge: this.#letters.judge });',
    replace:
      'judge: this.#letters.judge }).catch((): ApplyResult => ' +
      "({ kind: 'applied', rows: 0, statements: 0, refused: [], superseded: 0 }));",
    why: 'a generation that was never committed is acknowledged',
  },
  {
    name: 'superseded flush acknowledged',
    file: GENERATION,
    find: "if (fenced.verdict === 'applied') await",
    replace: "if (fenced.verdict !== 'diverged') await",
    why: 'a worker that lost the lane acknowledges what it did not store',
  },
  {
    name: 'letters not asked for',
    file: GENERATION,
    find: 'const refused = await this.#lettersOf(cut);',
    replace: 'const refused: DeadLetter[] = [];',
    why: "a refused write counts as stored when the commit's answer was lost",
  },
  {
    name: 'letters of others not asked for',
    file: GENERATION,
    find: 'await this.#acknowledger.acknowledge(cut, await this.#lettersOf(cut));',
    replace: 'await this.#acknowledger.acknowledge(cut, []);',
    why: 'a refused write counts as stored when another worker committed it',
  },

  {
    name: 'resolved one seq too soon',
    file: WATERMARK,
    find: 'position.seq > this.#storedSeq)',
    replace: 'position.seq > this.#storedSeq + 1)',
    why: 'a write counts as stored when the one before it is',
  },
  {
    name: "resolved by a stranger's seq",
    file: WATERMARK,
    find: 'return position.epoch >= this.#epoch || position.seq <= this.#survivedSeq(position.epoch);',
    replace: 'return true;',
    why: 'a lost write counts as stored when its seq was given to another one',
  },
  {
    name: 'loss not reported',
    file: WATERMARK,
    find: 'if (lost > 0 || forgotten) this.#onLoss(lost, this.#cause);',
    replace: '',
    why: 'loss is silent',
  },
  {
    name: 'loss of one epoch only',
    file: WATERMARK,
    find: 'lost += given.seq - survived;',
    replace: 'lost = given.seq - survived;',
    why: 'who slept through two losses is told of one',
  },
  {
    name: 'survivors forgotten',
    file: WATERMARK,
    find: 'if (current.length === 0 && survivedSeq > 0) current.push({ epoch: this.#epoch, seq: survivedSeq });',
    replace: '',
    why: 'what outlived one loss is not missed at the next',
  },
  {
    name: 'second refusal hides the first',
    file: WATERMARK,
    find: 'this.#judgedFromSeq = Math.max(this.#judgedFromSeq, forgotten.toSeq + 1);',
    replace: '',
    why: 'the first of two refused writes of a key counts as stored',
  },
  {
    name: 'refusals not judged',
    file: WATERMARK,
    find: 'for (const write of refused) this.#refuse(',
    replace: 'for (const write of refused.slice(1)) this.#refuse(',
    why: 'a refused write counts as stored',
  },

  {
    name: 'recovery without confirmation',
    file: RECOVERY,
    find: 'leaseMs ?? 0, tentative: true',
    replace: 'leaseMs ?? 0, tentative: false',
    why: 'a fence that is old by then opens a lane that was emptied',
  },
  {
    name: 'epochs not kept by the store',
    file: RECOVERY,
    find: '!(await fences.beginEpoch(lane, epoch, header.epochs))',
    replace: '!(await fences.beginEpoch(lane, epoch, []))',
    why: 'a front that is emptied again forgets where epochs began',
  },
  {
    name: 'confirmation not asked of the store',
    file: RECOVERY,
    find: 'if (fences !== undefined && !(await fences.beginEpoch(lane, epoch, header.epochs))) return undefined;',
    replace: 'await fences?.beginEpoch(lane, epoch, header.epochs);',
    why: 'a lane is opened although a higher epoch was issued',
  },
  {
    name: 'lease trusted instead of the epoch',
    file: 'src/engine/flushing/lane-leases.ts',
    find: 'lane.isOurs && claimed.header.epoch === lane.epoch',
    replace: 'lane.isOurs || claimed.header.epoch > 0',
    why: 'who wins the lease flushes without an epoch of its own',
  },
  {
    name: 'lost lane kept',
    file: 'src/engine/flushing/lane-leases.ts',
    find: "    lane.become('foreign');\n    lane.renewedAt = Number.NEGATIVE_INFINITY;\n    if (!this",
    replace: "    if (lane.isOurs) lane.become('idle');\n    lane.renewedAt = Number.NEGATIVE_INFINITY;\n    if (!this",
    why: 'a worker goes on with a lane that it was refused, and looks for no other way',
  },

  {
    name: 'key twice in a flush',
    file: PAGES,
    find: 'if (seen.has(keyOf(row))) continue;',
    replace: '',
    why: 'PostgreSQL refuses a statement that writes a row twice',
  },
  {
    name: 'rows not sorted',
    file: BATCHES,
    find: 'rows.sort((a, b) => (a.key < b.key ? -1 : 1))',
    replace: 'rows.reverse()',
    why: 'two transactions lock each other out',
  },
  {
    name: 'last page skipped',
    file: PAGES,
    find: "yield rows; if (page.next === '') return;",
    replace: "if (page.next === '') return; yield rows;",
    why: 'a generation is committed without its end',
  },

  {
    name: 'published before the commit',
    file: DIRECT,
    find: '      await store.commit(mutations);\n      committed = true;',
    replace: '      committed = true;\n      await store.commit(mutations);',
    why: 'readers see what the store refused',
  },
  {
    name: 'invalidated before the commit',
    file: DIRECT,
    find: '      try {\n        await store.commit(mutations);\n      } catch (error) {',
    replace:
      '      await this.#tellFront(entries, invalidate);\n' +
      '      try {\n        await store.commit(mutations);\n        return;\n      } catch (error) {',
    why: 'a reader fills the old value in between',
  },
  {
    name: 'kept after a commit without an answer',
    file: DIRECT,
    find: '        if (mayBeCommitted(error)) await this.#step(entries, invalidate).catch(() => undefined);',
    replace: '',
    why: 'the store may have the write, and the front keeps the old value',
  },
  {
    name: 'write-through without intents',
    file: DIRECT,
    find: 'await this.#step(entries, (lane, keys) => this.#context.front.beginIntent(lane, keys, token, INTENT_MS));',
    replace: '',
    why: 'a reader fills the old value while the store commits',
  },

  {
    name: 'joined a load that had asked',
    file: READER,
    find: '      this.#forget(load);\n      if (!granted',
    replace: '      if (!granted',
    why: 'a reader is given a value from before a write that it must see',
  },
  {
    name: 'stale value after a retry',
    file: 'src/engine/flushing/letter-retry.ts',
    find: 'lane.letters.stale.push(key);',
    replace: '',
    why: 'the front serves what was before the row that was stored in the end',
  },
  {
    name: 'letter of another epoch counted',
    file: 'src/engine/flushing/letter-retry.ts',
    find: 'this.#settle(lane, found.filter(({ triedIn }) => triedIn === lane.epoch));',
    replace: 'this.#settle(lane, found);',
    why: 'what another worker made of a letter is counted twice',
  },
  {
    name: 'letter redriven before it is stored',
    file: 'src/dead-letters.ts',
    find: "if (state === 'stored') return",
    replace: "if (state !== 'superseded') return",
    why: 'an operator is told that a letter is stored which waits',
  },
];
