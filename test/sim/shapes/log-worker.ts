import { LOG } from './log.ts';
import { serve } from './serve.ts';

serve(LOG);
