-- Purpose: everything that attach wants to know about the table, in one row of JSON text.
-- $1: the table, quoted, with or without its schema. No row when there is no such table.
select json_build_object(
  'schema', n.nspname,
  'name', c.relname,
  'kind', c.relkind,
  'user', current_user,
  'encoding', getdatabaseencoding(),
  'fsync', current_setting('fsync'),
  'synchronousCommit', current_setting('synchronous_commit'),
  'rowSecurity', row_security_active(c.oid),
  'mayDelete', has_table_privilege(c.oid, 'delete'),
  'columns', (
    select coalesce(json_agg(json_build_object(
      'name', a.attname,
      'number', a.attnum,
      'type', format_type(a.atttypid, a.atttypmod),
      -- The type beneath a domain; types of extensions are named with their schema, so that none looks built in.
      'base', case when b.typnamespace = 'pg_catalog'::regnamespace then b.typname::text else b.oid::regtype::text end,
      'category', b.typcategory,
      'modifier', case when t.typtype = 'd' then t.typtypmod else a.atttypmod end,
      'notNull', a.attnotnull or t.typnotnull,
      'hasDefault', a.atthasdef or t.typdefault is not null,
      'identity', a.attidentity,
      'generated', a.attgenerated,
      'maySelect', has_column_privilege(c.oid, a.attnum, 'select'),
      'mayInsert', has_column_privilege(c.oid, a.attnum, 'insert'),
      'mayUpdate', has_column_privilege(c.oid, a.attnum, 'update')
    ) order by a.attnum), '[]')
    from pg_attribute a
    join pg_type t on t.oid = a.atttypid
    join pg_type b on b.oid = case when t.typtype = 'd' then t.typbasetype else t.oid end
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  ),
  'indexes', (
    select coalesce(json_agg(json_build_object(
      'name', i.indexrelid::regclass::text,
      'column', i.indkey[0],
      'valid', i.indisvalid and i.indisready,
      'deferrable', not i.indimmediate,
      'partial', i.indpred is not null,
      -- Where texts that differ count as equal, two keys would be one row.
      'loose', not coalesce(co.collisdeterministic, true)
    )), '[]')
    from pg_index i
    left join pg_collation co on co.oid = i.indcollation[0]
    where i.indrelid = c.oid and i.indisunique and i.indnkeyatts = 1 and i.indexprs is null
  )
)::text as found
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where c.oid = to_regclass($1::text)
