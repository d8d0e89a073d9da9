// `node --import ./scripts/run-ts.mjs file.ts` runs TypeScript from source, Lua and SQL files
// included. For processes that tests start and kill, which must not depend on a fresh build.
import { register } from 'node:module';
import { register as registerTypeScript } from 'tsx/esm/api';

registerTypeScript();
register('./text-files-hook.mjs', import.meta.url);
