import { startOnNode } from '@nva/ports/node-version';

startOnNode('demo', () => import('./demo.ts'));
