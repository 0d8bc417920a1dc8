import { startOnNode } from '@nva/service/node-version';

startOnNode('admin', () => import('@nva/service').then(({ run }) => run('admin', ['admin'])));
