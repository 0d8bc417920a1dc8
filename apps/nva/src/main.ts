import { run, ROLES } from '@nva/service';

run('NVA', ROLES);
