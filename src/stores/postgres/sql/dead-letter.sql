-- Rows that the store refused, kept in the transaction that stored their neighbours. `value` is JSON text and not
-- jsonb, since it may be the very thing that jsonb refused.
create table if not exists {{schema}}.millrace_dead_letter (
  id bigint generated always as identity primary key,
  cache text not null,
  lane integer not null,
  key text not null,
  -- put, delete, delta or append
  kind text not null,
  value text,
  -- SQLSTATE
  code text not null,
  message text not null,
  attempts integer not null,
  -- the generation that it was in, and the seqs of that
  generation bigint not null,
  from_seq bigint not null,
  cut_seq bigint not null,
  created_at timestamptz not null default now()
);
create index if not exists millrace_dead_letter_key on {{schema}}.millrace_dead_letter (cache, key, id);
create index if not exists millrace_dead_letter_generation on {{schema}}.millrace_dead_letter (cache, lane, generation);
alter table {{schema}}.millrace_dead_letter drop constraint if exists millrace_dead_letter_kind_check;
-- waiting, dead, stored, superseded or discarded
alter table {{schema}}.millrace_dead_letter add column if not exists state text not null default 'dead';
-- when a waiting one is tried again
alter table {{schema}}.millrace_dead_letter add column if not exists retry_at timestamptz;
-- since when a later write of its key is stored
alter table {{schema}}.millrace_dead_letter add column if not exists superseded_at timestamptz;
-- since when it is stored, superseded or discarded: it is removed soon after
alter table {{schema}}.millrace_dead_letter add column if not exists finished_at timestamptz;
-- how often it was tried again, and the epoch that did so last
alter table {{schema}}.millrace_dead_letter add column if not exists tries integer not null default 0;
alter table {{schema}}.millrace_dead_letter add column if not exists tried_in bigint;
create index if not exists millrace_dead_letter_state on {{schema}}.millrace_dead_letter (cache, lane, state, retry_at);
