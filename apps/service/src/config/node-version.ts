/** Of its own path, so that nothing else is loaded with it. */
export { startOnNode } from '@nva/ports/node-version';
