/** What a shop remembers of one visitor: the documents that the demo writes. */
export interface Session {
  user: { id: string; name: string; locale: string };
  cart: { sku: string; title: string; quantity: number; price: number }[];
  total: number;
  theme: 'light' | 'dark' | 'system';
  visits: number;
  lastPage: string;
  signedIn: boolean;
  coupon: string | null;
}

const people: readonly (readonly [name: string, locale: string])[] = [
  ['Ada Okafor', 'en-NG'],
  ['Zoë Ångström', 'sv-SE'],
  ['山田 太郎', 'ja-JP'],
  ['Łukasz Żółć', 'pl-PL'],
  ['عمر الخطيب', 'ar-JO'],
  ['Seán O’Brien', 'en-IE'],
  ['Nguyễn Thị Ánh', 'vi-VN'],
  ['Мария Соколова', 'bg-BG'],
];
const goods: readonly (readonly [title: string, cents: number])[] = [
  ['Espresso cups, set of 2', 1_999],
  ['Wool socks “Fjord” 🧦', 1_250],
  ['Notebook A5', 745],
  ['Crème brûlée torch', 3_490],
  ['Paper lantern 提灯', 2_205],
  ['Bicycle bell 🔔', 899],
];
const themes = ['light', 'dark', 'system'] as const;
const pages = ['/', '/cart', '/search?q=caf%C3%A9&page=2', '/products/42', '/account/orders'];

/** The key of write `index`, counted from 0; sorts in the order of the writes. */
export function keyOf(policy: string, index: number, writes: number): string {
  return `${policy}:${String(index + 1).padStart(String(writes).length, '0')}`;
}

/**
 * The session that is written under `key`: the same for the same seed and key, so that a million of them can be
 * written and compared later without keeping one.
 */
export function sessionOf(seed: number, key: string): Session {
  const below = numbersBelow(seed, key);
  const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T;
  const [name, locale] = pick(people);
  const cart = Array.from({ length: below(4) }, () => {
    const [title, cents] = pick(goods);
    return { sku: `SKU-${1_000 + below(9_000)}`, title, quantity: 1 + below(3), price: cents / 100 };
  });
  return {
    user: { id: key, name, locale },
    cart,
    total: cart.reduce((cents, { quantity, price }) => cents + quantity * Math.round(price * 100), 0) / 100,
    theme: pick(themes),
    visits: 1 + below(500),
    lastPage: pick(pages),
    signedIn: below(2) === 1,
    coupon: below(3) === 0 ? `WELCOME-${below(100)}` : null,
  };
}

/** Gives whole numbers from 0 to below a limit: mulberry32, started from the seed and the FNV-1a hash of the key. */
function numbersBelow(seed: number, key: string): (limit: number) => number {
  let state = seed >>> 0;
  for (let at = 0; at < key.length; at++) state = Math.imul(state ^ key.charCodeAt(at), 0x01000193);
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000) * limit);
  };
}
