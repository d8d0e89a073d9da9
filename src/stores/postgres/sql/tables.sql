-- Purpose: whether the tables of millrace are there, and what this login may do with them.
-- $1: the schema
select json_build_object(
  'schemaExists', s.oid is not null,
  'mayUse', has_schema_privilege(s.oid, 'usage'),
  'mayCreate', has_schema_privilege(s.oid, 'create'),
  'fence', f.oid is not null,
  'fenceAllowed', has_table_privilege(f.oid, 'select') and has_table_privilege(f.oid, 'insert')
    and has_table_privilege(f.oid, 'update'),
  'deadLetter', d.oid is not null,
  -- The last column that was added to it: a table of an earlier version lacks it.
  'deadLetterCurrent', exists (
    select from pg_attribute a where a.attrelid = d.oid and a.attname = 'tried_in' and not a.attisdropped
  ),
  'mayAlterDeadLetter', pg_has_role(d.relowner, 'usage'),
  'deadLetterAllowed', has_table_privilege(d.oid, 'select') and has_table_privilege(d.oid, 'insert')
    and has_table_privilege(d.oid, 'update') and has_table_privilege(d.oid, 'delete')
)::text as found
from (select $1::text as name) wanted
left join pg_namespace s on s.nspname = wanted.name
left join pg_class f on f.relnamespace = s.oid and f.relname = 'millrace_fence'
left join pg_class d on d.relnamespace = s.oid and d.relname = 'millrace_dead_letter'
