/**
 * Which Node runs this, looked at before anything that an older one lacks. Imports of a module are loaded before its first line
 * runs, and an older Node ends there, with the name of a module or a sign that it does not know. So this file imports nothing and
 * says nothing newer than 2015, and what is started is imported by the caller, when this has looked.
 */

/** As `engines` in package.json has it; a test compares them. */
export const OLDEST_NODE = 24;

/** Why that version cannot run it; null if it can. */
export function nodeFault(name: string, version: string, path: string): string | null {
  if (Number(version.split('.')[0]) >= OLDEST_NODE) return null;
  return (
    name +
    ': needs Node ' +
    OLDEST_NODE +
    ' or newer, and ' +
    path +
    ' is Node ' +
    version +
    '. npm ci brings one that is new enough: npm start uses it, and it is node_modules/.bin/node'
  );
}

/** Starts on a Node that is new enough; says on standard error which is needed, and ends with 1, on another. */
export function startOnNode(name: string, start: () => Promise<unknown>): void {
  const fault = nodeFault(name, process.versions.node, process.execPath);
  if (fault === null) {
    void start();
    return;
  }
  process.stderr.write(fault + '\n');
  process.exitCode = 1;
}
