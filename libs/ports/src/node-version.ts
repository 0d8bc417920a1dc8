/**
 * Checks the version of Node before anything that an older one lacks is used. Node loads the imports of a module before it runs
 * its first line; an older Node would end there, with the name of a module or a character that it does not know. So this file
 * imports nothing and uses no syntax newer than 2015, and the caller imports the application only after this check.
 */

/** The same as `engines` in package.json; a test compares them. */
export const OLDEST_NODE = 24;

/** Why that version cannot run the application; null if it can. */
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

/** Starts the application if Node is new enough. Otherwise it writes to standard error which version is needed, and exits with 1. */
export function startOnNode(name: string, start: () => Promise<unknown>): void {
  const fault = nodeFault(name, process.versions.node, process.execPath);
  if (fault === null) {
    void start();
    return;
  }
  process.stderr.write(fault + '\n');
  process.exitCode = 1;
}
