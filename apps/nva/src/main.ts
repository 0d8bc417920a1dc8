import { startOnNode } from '@nva/service/node-version';

startOnNode('nva', () => import('@nva/service').then(({ run, ROLES }) => run('NVA', ROLES)));
