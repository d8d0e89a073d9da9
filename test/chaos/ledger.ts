/** What a ledger says of one key: the last operation that was asked for, and the last that was acknowledged. */
export interface KeyLedger {
  asked: number;
  askedKind: string;
  acked: number;
  ackedKind: string;
}

/** Reads a ledger; a last line that a crash cut off counts as not written. */
export function readLedger(text: string): Map<string, KeyLedger> {
  const keys = new Map<string, KeyLedger>();
  for (const line of text.slice(0, text.lastIndexOf('\n') + 1).split('\n')) {
    const [what, key, n, kind] = line.split(' ');
    if (key === undefined || kind === undefined) continue;
    let entry = keys.get(key);
    if (entry === undefined) keys.set(key, (entry = { asked: 0, askedKind: 'del', acked: 0, ackedKind: 'del' }));
    if (what === 'ask') {
      entry.asked = Number(n);
      entry.askedKind = kind;
    } else if (what === 'ack') {
      entry.acked = Number(n);
      entry.ackedKind = kind;
    }
  }
  return keys;
}

/** Lines of a kind, such as losses and misreads. */
export const linesOf = (text: string, kind: string): string[] => text.split('\n').filter((line) => line.startsWith(`${kind} `));
