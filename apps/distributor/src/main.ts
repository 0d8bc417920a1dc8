import { run } from '@nva/service';

run('distributor', ['distributor']);
