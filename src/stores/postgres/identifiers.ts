/** Identifiers come from configuration only. They are quoted always, so that a reserved word is a name like any other. */
export const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** A text as an SQL literal, whatever `standard_conforming_strings` says. */
export function literal(text: string): string {
  const doubled = text.replaceAll("'", "''");
  return doubled.includes('\\') ? `E'${doubled.replaceAll('\\', '\\\\')}'` : `'${doubled}'`;
}

/** Texts as the text of an array. */
export function arrayText(items: readonly string[]): string {
  return `{${items.map((item) => `"${item.replace(/["\\]/g, '\\$&')}"`).join(',')}}`;
}

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

export const quoteTable = ({ schema, name }: TableName): string =>
  schema === undefined ? quote(name) : `${quote(schema)}.${quote(name)}`;
