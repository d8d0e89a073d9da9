import type { Mutant } from './mutant.ts';

const WRITE = 'src/core/lane-write.ts';
const FLUSH = 'src/core/lane-flush.ts';
const RECOVER = 'src/core/lane-recover.ts';
const SLOTS = 'src/core/lane-slots.ts';

export const CORE_MUTANTS: readonly Mutant[] = [
  { name: 'run not checked', file: 'src/core/lane.ts', find: 'header.runId !== env.runId || ', replace: '', why: 'a front that was restarted takes writes before it is recovered' },
  { name: 'dirty value expires', file: WRITE, find: 'table.writeDirty(key, slot);', replace: 'table.writeDirty(key, slot); table.expireSlot(key, table.nowMs + 1000);', why: 'it is gone before it is stored' },
  { name: 'own ttl before the acknowledgement', file: WRITE, find: 'table.writeTtl(key, ttl);', replace: 'table.expireSlot(key, table.nowMs + ttl);', why: 'a dirty value expires' },
  { name: 'old value not frozen', file: WRITE, find: 'table.freeze(key, old);', replace: 'void old;', why: 'what was overwritten during its flush is in no generation' },
  { name: 'mark stays in flight', file: WRITE, find: 'table.takeFlight(key) &&', replace: 'table.hasFlight(key) &&', why: 'the flush reads a value from after its cut' },
  { name: 'pending counted twice', file: WRITE, find: 'if (before === undefined) added++;', replace: 'added++; if (before === undefined);', why: 'the lane is full before it is' },
  { name: 'one seq for a whole batch', file: WRITE, find: 'const seq = header.seq + batch.accepted;', replace: 'const seq = header.seq + 1;', why: 'writes share a position' },
  { name: 'tombstones not counted', file: WRITE, find: 'if (slot === TOMBSTONE) tombstones++;', replace: '', why: 'a tombstone stays in the front for ever' },

  { name: 'lease never runs out', file: FLUSH, find: ' && header.leaseUntilMs > table.nowMs', replace: '', why: 'the lane of a dead worker is nobody\'s' },
  { name: 'cut without a seq', file: FLUSH, find: 'cutSeq: header.seq + 1', replace: 'cutSeq: header.seq', why: 'a front that lost the cut and one that never made it look the same' },
  { name: 'pending cleared instead of renamed', file: FLUSH, find: 'table.cutPending();', replace: 'table.cutPending(); table.dropFlight();', why: 'the generation is empty' },
  { name: 'pages of two runs', file: FLUSH, find: 'header !== undefined && header.runId === runId && header.epoch === epoch', replace: 'header !== undefined && header.epoch === epoch', why: 'a key that is a mark again after a restart is in neither page' },
  { name: 'frozen values not read', file: FLUSH, find: "page.next === '' ? 'f' : ", replace: "page.next === '' ? '' : ", why: 'what was overwritten during its flush is not stored' },
  { name: 'acknowledged in another run', file: FLUSH, find: 'header.runId !== runId || header.epoch !== ack.epoch', replace: 'header.epoch !== ack.epoch', why: 'a front that was rewound between two steps of an acknowledgement keeps what was refused' },
  { name: 'acknowledged whatever the generation', file: FLUSH, find: 'if (flight === undefined || flight.generation !== ack.generation)', replace: 'if (flight === undefined)', why: 'a late acknowledgement cleans a generation that is not stored' },
  { name: 'acknowledged without epoch and generation', file: FLUSH, find: "|| header.epoch !== ack.epoch) return { kind: 'refused', epoch: header?.epoch ?? 0 };\n  const { flight } = header;\n  if (flight === undefined && header.generation === ack.generation) return { kind: 'done', header };\n  if (flight === undefined || flight.generation !== ack.generation)", replace: ") return { kind: 'refused', epoch: 0 };\n  const { flight } = header;\n  if (flight === undefined)", why: 'a worker that slept through its lease acknowledges for another one' },
  { name: 'refused value stays in the front', file: FLUSH, find: '    table.removeSlot(key);\n    table.takeTtl(key);', replace: '    table.takeTtl(key);', why: 'readers see for ever what the store never had' },
  { name: 'acknowledged seq one too low', file: FLUSH, find: 'storedSeq: flight.cutSeq, flight: done', replace: 'storedSeq: flight.cutSeq - 1, flight: done', why: 'the front disagrees with the fence' },
  { name: 'frozen values outlive their generation', file: FLUSH, find: "if (flight.state === 'cut') table.dropFrozen();", replace: '', why: 'the next generation has values of this one' },
  { name: 'tombstone outlives its generation', file: FLUSH, find: '    table.removeSlot(key);\n    return;', replace: '    return;', why: 'the front keeps what is deleted for ever' },
  { name: 'no expiry when clean', file: FLUSH, find: 'if (ttl !== undefined) table.expireSlot(', replace: 'if (ttl === -1) table.expireSlot(', why: 'the front keeps everything for ever' },

  { name: 'front behind keeps its values', file: RECOVER, find: 'const dropped = entriesOf(header);\n    table.clear();', replace: 'const dropped = entriesOf(header);', why: 'values from before the cut that was stored come back' },
  { name: 'front behind goes on', file: RECOVER, find: 'if (header.seq < fence.seq) {', replace: 'if (header.seq < 0) {', why: 'a lane that lost its tail is stopped, or flushes what is older than the store' },
  { name: 'old fence accepted', file: RECOVER, find: "if (fence.epoch < header.epoch) return { kind: 'refused', epoch: header.epoch };", replace: '', why: 'a recovery that slept takes the lane from its successor' },
  { name: 'epoch not recorded', file: RECOVER, find: 'epochs: isKnown ? header.epochs : begin(mergeEpochs(header, fence.epochs), fence.epoch, header.seq),', replace: 'epochs: header.epochs,', why: 'nobody learns that the tail is lost' },
  { name: 'epochs of the store forgotten', file: RECOVER, find: ': epochs), ...store].map', replace: ': epochs)].map', why: 'a front that was emptied forgets what was lost before' },
  { name: 'confirmation of another run', file: RECOVER, find: 'const isHere = header?.runId === runId || header?.runId === unconfirmed(runId);', replace: 'const isHere = true;', why: 'a front that was reset is opened by a message from the run before' },
  { name: 'confirmation of another epoch', file: RECOVER, find: 'header.epoch !== epoch || !isHere', replace: '!isHere', why: 'a lane is opened although its epoch is not the last' },
  { name: 'adopted lane keeps its values', file: RECOVER, find: '  table.clear();\n  const adopted', replace: '  const adopted', why: 'a front that was restored serves values older than the store\'s' },

  { name: 'fill without a token', file: SLOTS, find: "if ((slot.kind !== 'filling' && slot.kind !== 'refreshing') || slot.token !== token) return raw ?? '';", replace: '', why: 'a slow reader puts an old value over a write' },
  { name: 'fill with any token', file: SLOTS, find: ' || slot.token !== token) return', replace: ') return', why: 'a slow reader fills for another one, after a write in between' },
  { name: 'refresh of a dirty value', file: SLOTS, find: "slot.kind !== 'value' || expiresAtMs === undefined", replace: "slot.kind !== 'value'", why: 'the flush stores the token' },
  { name: 'token over a value', file: SLOTS, find: 'if (raw === undefined) table.writeSlot(', replace: 'table.writeSlot(', why: 'a reader destroys what another has written' },
  { name: 'intents not counted', file: SLOTS, find: 'intentSlot([...slot.tokens, token], true)', replace: 'intentSlot([token], false)', why: 'of two writers the slower in the front publishes, not the later in the store' },
  { name: 'contended intent published', file: SLOTS, find: 'slot.contended || json === undefined', replace: 'json === undefined', why: 'the order of commits is not known, and one is guessed' },
  { name: 'stranger kept by an intent', file: SLOTS, find: "if (slot.kind !== 'intent') {\n      table.removeSlot(key);", replace: "if (slot.kind !== 'intent') {", why: 'what was filled after a restart outlives the write' },
  { name: 'nothing invalidated', file: SLOTS, find: 'if (!table.hasPending(key) && !table.hasFlight(key)) table.removeSlot(key);', replace: 'void key;', why: 'the front serves what the store has replaced' },
  { name: 'clean values kept after a rollback', file: RECOVER, find: "if (forgets) table.forgetClean(current.flight?.state !== 'cut');", replace: '', why: 'the front goes on to serve what the store has lost' },
];
