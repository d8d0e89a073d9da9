import { COUNTERS } from './counters.ts';
import { serve } from './serve.ts';

serve(COUNTERS);
