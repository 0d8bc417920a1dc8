import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { VnContext } from '@nva/codec';

export interface FigureVn {
  readonly name: string;
  readonly vnid: number;
  readonly service: VnContext['service'];
  readonly encapsulation: VnContext['encapsulation'];
  readonly prefix: string;
}

export interface FigureNve {
  readonly nveId: string;
  readonly siteId: string;
  readonly mac: string;
  readonly addresses: readonly string[];
}

/** A binding of the figure, with the name of its VN. */
export interface FigureBinding {
  readonly bid?: number;
  readonly vn: string;
  readonly vlan?: number;
  readonly ip?: string;
}

/** A VM of the figure. Each VM has one vNIC, so it is one tenant system, with the same name. */
export interface FigureTs {
  readonly tsId: string;
  readonly nveId: string;
  readonly mac: string;
  readonly logicalInterface: string;
  readonly bindings: readonly FigureBinding[];
}

/** A reference topology (R4), as in `data/figure-1.json`. */
export interface Figure {
  readonly title: string;
  readonly assumption: string;
  readonly tenantId: string;
  readonly vns: readonly FigureVn[];
  readonly nves: readonly FigureNve[];
  readonly tenantSystems: readonly FigureTs[];
}

const FIGURE_1 = join(import.meta.dirname, '../data/figure-1.json');

export const loadFigure1 = (): Figure => JSON.parse(readFileSync(FIGURE_1, 'utf8')) as Figure;

/**
 * Finds the parts of the figure by name, for a scenario that uses «VMa», «NVE4» and «VN3». A name that the figure does not have
 * is an error in the scenario.
 */
export class FigureIndex {
  readonly figure: Figure;

  constructor(figure: Figure) {
    this.figure = figure;
  }

  vn(name: string): FigureVn {
    return found(this.figure.vns, (vn) => vn.name === name, name);
  }

  vnNamed(vnid: number): string {
    return found(this.figure.vns, (vn) => vn.vnid === vnid, `VN ${vnid}`).name;
  }

  nve(nveId: string): FigureNve {
    return found(this.figure.nves, (nve) => nve.nveId === nveId, nveId);
  }

  ts(tsId: string): FigureTs {
    return found(this.figure.tenantSystems, (ts) => ts.tsId === tsId, tsId);
  }

  at(nveId: string): readonly FigureTs[] {
    return this.figure.tenantSystems.filter((ts) => ts.nveId === nveId);
  }
}

function found<T>(things: readonly T[], is: (thing: T) => boolean, name: string): T {
  const thing = things.find(is);
  if (thing === undefined) throw new Error(`The figure has no ${name}`);
  return thing;
}
