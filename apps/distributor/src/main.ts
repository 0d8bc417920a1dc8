import { startOnNode } from '@nva/service/node-version';

startOnNode('distributor', () => import('@nva/service').then(({ run }) => run('distributor', ['distributor'])));
