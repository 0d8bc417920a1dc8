import { run } from '@nva/service';

run('registrar', ['registrar']);
