import { SCORES } from './scores.ts';
import { serve } from './serve.ts';

serve(SCORES);
