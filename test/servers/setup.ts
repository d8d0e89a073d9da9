import { inject } from 'vitest';
import { setUrls } from './urls.ts';

setUrls(inject('serverUrls'));
