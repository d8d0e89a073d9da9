-- One row per lane of a cache: how far the lane is stored, and which epoch may go on.
create table if not exists {{schema}}.millrace_fence (
  cache text not null,
  lane integer not null,
  -- lanes of the cache, pinned at first use
  lanes integer not null,
  -- fencing token: raised by whoever takes the lane
  epoch bigint not null default 0,
  -- the last generation that was committed, its cut seq and its digest
  generation bigint not null default 0,
  seq bigint not null default 0,
  digest text not null default '',
  -- epochs that began after a restart of the front, as epoch:seq,epoch:seq; the front's own list can be lost with it
  epochs text not null default '',
  updated_at timestamptz not null default now(),
  primary key (cache, lane)
  -- updated with every flush: room on the page keeps the updates off the index
) with (fillfactor = 20);
