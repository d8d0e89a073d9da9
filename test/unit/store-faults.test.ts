import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { postgresDialect } from '../../src/stores/postgres/dialect.ts';
import { DriverError } from '../../src/stores/sql/database.ts';
import { translate } from '../../src/stores/sql/faults.ts';

const told = (cause: unknown): string =>
  inspect(translate(postgresDialect, new DriverError(cause), 'public.docs: apply', { cache: 'carts' }), { depth: 5 });

test('an error of the server is logged with its names, and without what it quotes', () => {
  const printed = told(
    Object.assign(new Error('invalid input syntax for type json: "s3cret"'), {
      severity: 'ERROR',
      code: '23514',
      detail: 'Failing row contains (1, s3cret).',
      where: 'JSON data, line 1: s3cret',
      hint: 's3cret',
      internalQuery: "select 's3cret'",
      query: "insert into docs values ('s3cret')",
      params: ['s3cret'],
      schema: 'public',
      table: 'docs',
      constraint: 'docs_check',
    }),
  );
  expect(printed).not.toContain('s3cret');
  for (const name of ['23514', 'docs_check', 'a check constraint is violated']) expect(printed).toContain(name);
});

test('an error of the connection is logged as it is', () => {
  expect(told(Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' }))).toContain(
    'connect ECONNREFUSED',
  );
  expect(told(undefined)).toContain('MILLRACE_');
});
