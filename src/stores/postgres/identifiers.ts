/** Names and values in texts of statements, as PostgreSQL reads them. */
import type { TableName } from '../sql/names.ts';

/**
 * Identifiers come from configuration only. They are quoted always, so that a reserved word is a name like any other.
 */
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

export const quoteTable = ({ schema, name }: TableName): string =>
  schema === undefined ? quote(name) : `${quote(schema)}.${quote(name)}`;
