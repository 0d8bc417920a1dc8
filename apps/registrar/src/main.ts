import { startOnNode } from '@nva/service/node-version';

startOnNode('registrar', () => import('@nva/service').then(({ run }) => run('registrar', ['registrar'])));
