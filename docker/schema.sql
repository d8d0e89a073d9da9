CREATE TABLE user_sessions (
  user_id       text PRIMARY KEY,
  session_data  jsonb NOT NULL,
  last_activity timestamptz NOT NULL DEFAULT now(),
  updated_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE page_views (
  id         serial PRIMARY KEY,
  page_url   text NOT NULL,
  view_count bigint NOT NULL DEFAULT 0,
  updated_at timestamptz NOT NULL DEFAULT now()
);
