/** An escape in JSON text. A backslash pair is one, so `\\u0000` (a backslash, then letters) is not taken for NUL. */
const ESCAPE = /\\(?:u([0-9a-fA-F]{4})|[^u])/g;

/** Why PostgreSQL would refuse the strings in this JSON text: NUL, or half of a surrogate pair. */
export function unstorable(json: string): string | undefined {
  if (!json.isWellFormed()) return LONE;
  if (!json.includes(String.raw`\u`)) return undefined;
  // Where a high surrogate ended, which the low one must follow at once.
  let highEnd = -1;
  for (const match of json.matchAll(ESCAPE)) {
    if (match[1] === undefined) continue;
    const unit = Number.parseInt(match[1], 16);
    if (unit === 0) return NUL;
    if (unit < 0xd800 || unit > 0xdfff) continue;
    const isLow = unit >= 0xdc00;
    if (isLow !== (highEnd === match.index)) return LONE;
    highEnd = isLow ? -1 : match.index + match[0].length;
    if (!isLow && !LOW_ESCAPE.test(json.slice(highEnd, highEnd + 6))) return LONE;
  }
  return undefined;
}

/** The same for a plain text. */
export function unstorableText(text: string): string | undefined {
  if (text.includes('\0')) return NUL;
  return text.isWellFormed() ? undefined : LONE;
}

const LOW_ESCAPE = /^\\u[dD][c-fC-F][0-9a-fA-F]{2}$/;
const NUL = 'it contains the character NUL, which PostgreSQL cannot store';
const LONE = 'it contains half of a surrogate pair, which is not a character';
