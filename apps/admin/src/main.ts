import { run } from '@nva/service';

run('admin', ['admin']);
