// Instead of the `tsdown` command, which greets every Node 20 user with a warning.
import { build } from 'tsdown';

await build({ logLevel: 'warn' });
