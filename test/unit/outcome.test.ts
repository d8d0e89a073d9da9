import { describe, expect, test } from 'vitest';
import { faultOf, leavesConnection } from '../../src/stores/postgres/sqlstates.ts';
import type { StoreOutcome } from '../../src/stores/sql/dialect.ts';

const sql = (code: string, more: Record<string, string> = {}) =>
  Object.assign(new Error('with the value s3cret in it'), { code, severity: 'ERROR', ...more });

describe('what an SQLSTATE means', () => {
  const cases: Record<StoreOutcome, string[]> = {
    transient: [
      '08006',
      '08003',
      '40001',
      '40P01',
      '40003',
      '53100',
      '53200',
      '53300',
      '55P03',
      '55006',
      '57014',
      '57P01',
      '57P02',
      '57P03',
      '58030',
      '25006',
      '25P03',
      'XX000',
    ],
    rejected: [
      '22001',
      '22003',
      '22007',
      '22021',
      '22P02',
      '22P05',
      '22012',
      '23502',
      '23503',
      '23505',
      '23514',
      '23P01',
      '54000',
      '54001',
      'P0001',
    ],
    configuration: [
      '42501',
      '42703',
      '42P01',
      '42P10',
      '42804',
      '28000',
      '28P01',
      '3D000',
      '3F000',
      '26000',
      '0A000',
      '21000',
      'XX001',
      'XX002',
      'MY001',
    ],
  };
  for (const [outcome, codes] of Object.entries(cases)) {
    test.each(codes)(`%s is ${outcome}`, (code) => {
      expect(faultOf(sql(code))).toMatchObject({ outcome, code });
    });
  }
});

describe('what has no SQLSTATE is the connection', () => {
  test.each(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EHOSTUNREACH'])('%s', (code) => {
    expect(faultOf(Object.assign(new Error('x'), { code }))).toMatchObject({ outcome: 'transient', code });
  });
  test.each([
    new Error('Connection terminated unexpectedly'),
    new Error('PGlite is closed'),
    'a string',
    undefined,
    null,
    { code: 'very odd' },
    { code: 7 },
  ])('%s', (error) => {
    expect(faultOf(error)).toMatchObject({ outcome: 'transient', code: 'unknown' });
  });
});

test('the reason names what is in the schema, and nothing of the row or the server’s message', () => {
  const reason = (error: unknown) => faultOf(error).reason;
  expect(
    reason(sql('23505', { constraint: 'users_email', table: 'users', detail: 'Key (email)=(s3cret) exists' })),
  ).toBe('another row has the same unique value (constraint users_email of table users)');
  expect(reason(sql('23502', { column: 'name', detail: 'Failing row contains (s3cret)' }))).toBe(
    'null in a column that takes none (column name)',
  );
  for (const code of ['22P02', '22003', 'P0001', '42601', '28P01', 'XX000', 'ZZ999']) {
    expect(
      reason(sql(code, { detail: 's3cret', where: 's3cret', hint: 's3cret', internalQuery: 's3cret' })),
    ).not.toContain('s3cret');
  }
});

test('a connection lives on after an error, not after a fatal one', () => {
  expect(leavesConnection(sql('23505'))).toBe(true);
  expect(leavesConnection(sql('57P01', { severity: 'FATAL' }))).toBe(false);
  expect(leavesConnection(sql('57P02', { severity: 'PANIC' }))).toBe(false);
  expect(leavesConnection(new Error('Connection terminated'))).toBe(false);
});
