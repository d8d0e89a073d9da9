/** Stands where there is nothing to show. */
export const NOTHING = '–';

/** Milliseconds with three significant digits, in the unit that reads best: `0.312 ms`, `41.2 ms`, `1.24 s`. */
export function formatMs(ms: number | undefined): string {
  if (ms === undefined || !Number.isFinite(ms)) return NOTHING;
  if (ms < 1) return `${ms.toFixed(3)} ms`;
  if (ms < 999.5) return `${threeDigits(ms)} ms`;
  if (ms < 99_950) return `${threeDigits(ms / 1_000)} s`;
  return `${formatCount(ms / 1_000)} s`;
}

export function formatCount(count: number | undefined): string {
  if (count === undefined || !Number.isFinite(count)) return NOTHING;
  return Math.round(count).toLocaleString('en-US');
}

export function formatRate(perSecond: number | undefined): string {
  return perSecond === undefined || !Number.isFinite(perSecond) || perSecond >= 9.5
    ? formatCount(perSecond)
    : threeDigits(perSecond);
}

/** `8.31x`, `1,250x`; never an infinite or undefined factor. */
export function formatFactor(factor: number | undefined): string {
  if (factor === undefined || !Number.isFinite(factor)) return NOTHING;
  return factor < 99.95 ? `${threeDigits(factor)}x` : `${formatCount(factor)}x`;
}

/** `1 row`, `20 rows`. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

export interface Column {
  readonly title: string;
  readonly align: 'left' | 'right';
}

/** Rows of a table, padded to the widest cell of their column; the first is the header. */
export function tableRows(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const lines = [columns.map(({ title }) => title), ...rows];
  const widths = columns.map((_, at) => Math.max(...lines.map((cells) => width(cells[at] ?? ''))));
  return lines.map((cells) =>
    columns
      .map(({ align }, at) => {
        const cell = cells[at] ?? '';
        const padding = ' '.repeat((widths[at] ?? 0) - width(cell));
        return align === 'left' ? cell + padding : padding + cell;
      })
      .join('  ')
      .trimEnd(),
  );
}

/** Columns that a terminal uses for text of one column per character. */
function width(text: string): number {
  return [...text].length;
}

function threeDigits(value: number): string {
  if (value >= 99.95) return value.toFixed(0);
  return value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}
