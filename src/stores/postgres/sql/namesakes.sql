-- Purpose: tables whose name differs from the given one by capitals or schema only, for the message.
-- $1: the name, without its schema
select quote_ident(n.nspname) || '.' || quote_ident(c.relname) as name
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and lower(c.relname) = lower($1::text)
  and n.nspname not in ('pg_catalog', 'information_schema')
  and n.nspname not like 'pg_toast%' and n.nspname not like 'pg_temp%'
order by 1
limit 5
