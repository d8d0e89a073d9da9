/**
 * What a value's slot in the front can hold, and how it is written.
 *
 * A slot is one string. A value is its plain JSON text, so a read hit costs no decoding beyond `JSON.parse`
 * and other programs can read it. Everything else starts with a character that no JSON text starts with:
 *
 * | slot              | meaning                                                              |
 * |-------------------|----------------------------------------------------------------------|
 * | `~`               | tombstone: deleted, not yet stored                                    |
 * | `?token`          | a reader is filling the slot; readers go to the store                 |
 * | `^token:json`     | a value that is being refreshed; readers use the value                |
 * | `!a,b`            | write-through writers a and b are under way; nobody may fill          |
 * | `!!a,b`           | the same, and at some time there was more than one writer             |
 */
export const TOMBSTONE = '~';

export type Slot =
  | { readonly kind: 'empty' }
  | { readonly kind: 'value'; readonly json: string }
  | { readonly kind: 'tombstone' }
  | { readonly kind: 'filling'; readonly token: string }
  | { readonly kind: 'refreshing'; readonly token: string; readonly json: string }
  | { readonly kind: 'intent'; readonly tokens: readonly string[]; readonly contended: boolean };

/** Whether a slot is a plain value, its JSON text: what nearly every read finds. */
export function isValue(raw: unknown): raw is string {
  if (typeof raw !== 'string' || raw === '') return false;
  const first = raw.charCodeAt(0);
  return first !== 0x7e && first !== 0x3f && first !== 0x5e && first !== 0x21;
}

export function readSlot(raw: string | undefined): Slot {
  if (raw === undefined || raw === '') return { kind: 'empty' };
  switch (raw.charCodeAt(0)) {
    case 0x7e: // ~
      return { kind: 'tombstone' };
    case 0x3f: // ?
      return { kind: 'filling', token: raw.slice(1) };
    case 0x5e: {
      // ^
      const colon = raw.indexOf(':');
      return { kind: 'refreshing', token: raw.slice(1, colon), json: raw.slice(colon + 1) };
    }
    case 0x21: {
      // !
      const contended = raw.charCodeAt(1) === 0x21;
      const list = raw.slice(contended ? 2 : 1);
      return { kind: 'intent', tokens: list === '' ? [] : list.split(','), contended };
    }
    default:
      return { kind: 'value', json: raw };
  }
}

/** Given for a slot that is empty, by a front that has no memory for a token: load, and fill nothing. */
export const NO_FILL = '?';
export const fillSlot = (token: string): string => `?${token}`;
export const refreshSlot = (token: string, json: string): string => `^${token}:${json}`;
export const intentSlot = (tokens: readonly string[], contended: boolean): string =>
  `${contended ? '!!' : '!'}${tokens.join(',')}`;
