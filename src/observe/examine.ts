import type { Settings } from '../engine/base/settings.ts';
import { isMillraceError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import { type Examination, type Finding, fine, warning, wrong } from '../ports/finding.ts';
import type { Front } from '../ports/front.ts';
import type { Store } from '../ports/store.ts';

const RANK = { error: 0, warning: 1, ok: 2 } as const;

/** Everything on which the promises of a cache depend, the gravest first. Opens connections, and attaches nothing. */
export async function examineCache(settings: Settings, front: Front, store: Store, clock: Clock): Promise<Finding[]> {
  const writeBehind = settings.policy === 'write-behind';
  const examination: Examination = {
    cache: settings.name,
    lanes: settings.lanes,
    shape: settings.shape,
    ack: settings.ack,
    writeBehind,
    ttlMs: settings.ttlMs,
    maxBytes: settings.backpressure.maxBytes,
    concurrency: writeBehind ? (settings.flush?.concurrency ?? 0) : 0,
    clock,
  };
  const [ofFront, ofStore] = await Promise.all([
    reached('front', front.kind, front.examine?.(examination)),
    reached('store', store.kind, store.examine?.(examination)),
  ]);
  return [...ofFront, ...ofStore, ...ofOptions(settings, front, store)].toSorted(
    (a, b) => RANK[a.severity] - RANK[b.severity],
  );
}

async function reached(
  part: 'front' | 'store',
  kind: string,
  findings: Promise<Finding[]> | undefined,
): Promise<Finding[]> {
  try {
    return (await findings) ?? [fine(part, `${kind}: it has nothing to examine`)];
  } catch (error) {
    if (!isMillraceError(error)) throw error;
    const means =
      part === 'front'
        ? 'nothing can be read or written'
        : 'reads of what is not cached fail, and what is pending waits';
    return [
      wrong(
        part,
        `${kind}: ${error.message} (${error.code})`,
        means,
        'see that it runs, and that URL and credentials are right',
      ),
    ];
  }
}

/** What the options by themselves give up. */
function ofOptions({ policy, ack, flush }: Settings, front: Front, store: Store): Finding[] {
  const findings = [fine('cache.policy', policy === 'write-behind' ? `${policy}, acknowledged as '${ack}'` : policy)];
  if (policy !== 'write-behind') return findings;
  if (!front.capabilities.durable)
    findings.push(
      warning(
        'cache.front',
        `write-behind on the ${front.kind} front`,
        'what is not stored yet dies with the process',
        "use lmdbFront or redisFront, or policy: 'write-through'",
      ),
    );
  if (!store.capabilities.transactions) {
    findings.push(
      warning(
        'cache.store',
        `the ${store.kind} store has no transactions`,
        'a batch may be applied twice, and a worker that slept through its lease can store an older value',
        "let one process flush, or use policy: 'write-through' or postgresStore",
      ),
    );
  }
  if (!store.capabilities.deadLetters)
    findings.push(
      warning(
        'cache.dead-letters',
        `the ${store.kind} store keeps none`,
        'a row that it refuses stops its lane',
        'see that `apply` refuses nothing that `checkValue` lets pass',
      ),
    );
  if (flush === undefined)
    findings.push(fine('cache.flush', 'left to other processes: see that `millrace worker` runs'));
  return findings;
}
