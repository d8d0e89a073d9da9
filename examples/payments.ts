/**
 * Payments between accounts, written through: nobody is told of a payment that the database does not have. Checks
 * itself with SQL and ends with exit code 1 when something is not as it should be.
 *
 *   node --import ./scripts/run-ts.mjs examples/payments.ts
 *   node --import ./scripts/run-ts.mjs examples/payments.ts --payments 20000
 *   node --import ./scripts/run-ts.mjs examples/payments.ts \
 *     --redis redis://localhost --postgres postgres://localhost/db
 */
import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import { type Cache, createCache, isMillraceError } from 'millrace';
import { postgresStore } from 'millrace/postgres';
import { type Parts, runExample, serverFlags } from './parts.ts';

const ACCOUNTS = 1_000;
const OPENING_CENTS = 100_000;
/** One in so many is more than its payer can have. */
const OVERDRAFT_EVERY = 2_000;
/** One in so many is sent again, by somebody who did not hear the answer. */
const REPEAT_EVERY = 50;
/** Customers who pay at the same time. */
const CUSTOMERS = 512;
const PAGE = 5_000;

const { values: flags } = parseArgs({ options: { ...serverFlags, payments: { type: 'string', default: '200000' } } });
const total = Number(flags.payments);

interface Payment {
  readonly payer: number;
  readonly payee: number;
  readonly cents: number;
}

interface Outcome {
  readonly acknowledged: Map<string, Payment>;
  readonly refused: Set<string>;
}

const anyAccount = (): number => 1 + Math.floor(ACCOUNTS * Math.random());

function newPayment(n: number): Payment {
  const payer = anyAccount();
  const payee = 1 + ((payer + Math.floor((ACCOUNTS - 1) * Math.random())) % ACCOUNTS);
  return {
    payer,
    payee,
    cents:
      n % OVERDRAFT_EVERY === OVERDRAFT_EVERY / 2 ? ACCOUNTS * OPENING_CENTS + 1 : 1 + Math.floor(100 * Math.random()),
  };
}

async function pay(
  payments: Cache<Payment>,
  id: string,
  payment: Payment,
  { acknowledged, refused }: Outcome,
): Promise<void> {
  try {
    await payments.set(id, payment);
    acknowledged.set(id, payment);
  } catch (error) {
    // Who cannot pay is told so, and nothing of it is written.
    assert.ok(isMillraceError(error) && error.code === 'MILLRACE_REJECTED', String(error));
    refused.add(id);
  }
}

async function play({ name, front, pool, sql, kinds, atEnd }: Parts): Promise<void> {
  const accounts = `${name}_accounts`;
  await sql(
    `create table ${name} (id text primary key, payer integer not null, payee integer not null, cents bigint not null)`,
  );
  await sql(
    `create table ${accounts} (id integer primary key, cents bigint not null constraint covered check (cents >= 0))`,
  );
  atEnd(() => sql(`drop table ${accounts}`));
  await sql(`insert into ${accounts} select i, ${OPENING_CENTS} from generate_series(1, ${ACCOUNTS}) i`);
  // The money moves in the transaction of the payment's row. Accounts are locked in their order, so that no two
  // statements wait for each other; a payment that comes again is an update, and moves nothing.
  await sql(`create function ${name}_book() returns trigger language plpgsql as $$
    begin
      perform 1 from ${accounts} where id in (select payer from paid union select payee from paid)
        order by id for update;
      update ${accounts} a set cents = a.cents + m.cents
        from (select id, sum(cents) as cents
          from (select payer as id, -cents as cents from paid union all select payee, cents from paid) moves
          group by id) m
        where a.id = m.id;
      return null;
    end $$`);
  atEnd(() => sql(`drop function ${name}_book() cascade`));
  await sql(
    `create trigger book after insert on ${name} referencing new table as paid
       for each statement execute function ${name}_book()`,
  );

  const payments = createCache<Payment>({
    name,
    policy: 'write-through',
    front,
    store: postgresStore({ pool, table: name, key: 'id', columns: ['payer', 'payee', 'cents'] }),
  });
  atEnd(() => payments.close());
  await payments.ready();

  const outcome: Outcome = { acknowledged: new Map(), refused: new Set() };
  const start = performance.now();
  let next = 0;
  await Promise.all(
    Array.from({ length: CUSTOMERS }, async () => {
      while (next < total) {
        const n = next++;
        const id = `payment-${n}`;
        const payment = newPayment(n);
        await Promise.all(
          Array.from({ length: n % REPEAT_EVERY === 0 ? 2 : 1 }, () => pay(payments, id, payment, outcome)),
        );
        if (outcome.acknowledged.has(id) && n % REPEAT_EVERY === 1) assert.deepEqual(await payments.get(id), payment);
      }
    }),
  );
  const tookMs = performance.now() - start;
  const { acknowledged, refused } = outcome;
  console.log(
    `${total} payments of ${ACCOUNTS} accounts in ${(tookMs / 1_000).toFixed(1)} s on ${kinds}, ` +
      `${Math.round((total / tookMs) * 1_000)} a second; ${refused.size} could not be paid`,
  );
  assert.equal(acknowledged.size + refused.size, total);

  // The database has every payment that was acknowledged, and no other.
  const rows = await sql(`select id, payer, payee, cents::int as cents from ${name}`);
  assert.deepEqual(new Map(rows.map(({ id, ...payment }) => [id, payment])), acknowledged);

  // So has the front, which need not ask the database for any of them.
  const { loads } = await payments.stats();
  const ids = [...acknowledged.keys()];
  for (let from = 0; from < ids.length; from += PAGE) {
    const page = ids.slice(from, from + PAGE);
    assert.deepEqual(await payments.getMany(page), new Map(page.map((id) => [id, acknowledged.get(id)])));
  }
  assert.equal((await payments.stats()).loads, loads);
  for (const id of refused) assert.equal(await payments.get(id), undefined);

  // No money was lost, and none was made: each balance is what the acknowledged payments leave of it.
  const balances = new Map(Array.from({ length: ACCOUNTS }, (_, at) => [at + 1, OPENING_CENTS]));
  for (const { payer, payee, cents } of acknowledged.values()) {
    balances.set(payer, (balances.get(payer) as number) - cents);
    balances.set(payee, (balances.get(payee) as number) + cents);
  }
  const booked = await sql(`select id, cents::int as cents from ${accounts}`);
  assert.deepEqual(new Map(booked.map((row) => [row['id'], row['cents']])), balances);
  const [sum] = await sql(`select sum(cents)::bigint::text as cents from ${accounts}`);
  assert.equal(Number(sum?.['cents']), ACCOUNTS * OPENING_CENTS);
  await payments.close();
  console.log(
    `verified: ${rows.length} payments in the database and in the front, ` +
      `${Number(sum?.['cents']) / 100} in ${booked.length} accounts, as at the beginning`,
  );
}

await runExample('payments', flags, play);
