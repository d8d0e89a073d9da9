-- Purpose: what the doctor wants to know of the server, the login and the table, in one row of JSON text.
-- $1: the table, quoted, with or without its schema
-- $2: the schema of the tables of millrace
select json_build_object(
  'version', current_setting('server_version'),
  'number', current_setting('server_version_num')::int,
  'fsync', current_setting('fsync'),
  'fullPageWrites', current_setting('full_page_writes'),
  'synchronousCommit', current_setting('synchronous_commit'),
  'synchronousStandbys', current_setting('synchronous_standby_names'),
  'inRecovery', pg_is_in_recovery(),
  'readOnly', current_setting('default_transaction_read_only'),
  'autovacuum', current_setting('autovacuum'),
  'statementTimeout', current_setting('statement_timeout'),
  'lockTimeout', current_setting('lock_timeout'),
  'transactionTimeout', coalesce(current_setting('transaction_timeout', true), '0'),
  'connections', current_setting('max_connections')::int,
  'reserved', current_setting('superuser_reserved_connections')::int
    + coalesce(current_setting('reserved_connections', true)::int, 0),
  'connected', (select coalesce(sum(numbackends), 0) from pg_stat_database),
  'roleLimit', (select rolconnlimit from pg_roles where rolname = current_user),
  'nowMs', extract(epoch from clock_timestamp()) * 1000,
  'triggers', (
    select coalesce(json_agg(json_build_object(
      'name', t.tgname,
      'timing', case when t.tgtype & 66 = 2 then 'before' when t.tgtype & 66 = 64 then 'instead of' else 'after' end,
      'row', t.tgtype & 1 = 1
    ) order by t.tgname), '[]')
    from pg_trigger t where t.tgrelid = to_regclass($1::text) and not t.tgisinternal and t.tgenabled in ('O', 'A')
  ),
  'rules', (
    select count(*) from pg_rules r
    join pg_class c on c.relname = r.tablename
      and c.relnamespace = (select oid from pg_namespace where nspname = r.schemaname)
    where c.oid = to_regclass($1::text)
  ),
  'unlogged', (select relpersistence = 'u' from pg_class where oid = to_regclass($1::text)),
  'deferred', (
    select coalesce(json_agg(conname order by conname), '[]')
    from pg_constraint where conrelid = to_regclass($1::text) and condeferrable
  ),
  'fenceUnlogged', (
    select relpersistence = 'u' from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = $2::text and c.relname = 'millrace_fence'
  )
)::text as found
