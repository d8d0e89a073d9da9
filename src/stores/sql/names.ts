/** Names of tables, as options have them. */

export interface TableName {
  /** Undefined: looked up in the search path. */
  readonly schema: string | undefined;
  readonly name: string;
}

const PART = String.raw`(?:"((?:[^"]|"")+)"|([\p{L}_][\p{L}\p{N}_$]*))`;
const NAME = new RegExp(`^(?:${PART}\\.)?${PART}$`, 'u');

/** Reads `table`, `schema.table`, `"Odd Name"` as SQL does: without quotes, capitals are folded. */
export function parseTableName(text: string): TableName | undefined {
  const match = NAME.exec(text);
  if (match === null) return undefined;
  const part = (quoted: string | undefined, plain: string | undefined) =>
    quoted?.replaceAll('""', '"') ?? plain?.toLowerCase();
  return { schema: part(match[1], match[2]), name: part(match[3], match[4]) as string };
}
