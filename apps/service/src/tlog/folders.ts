import { mkdirSync } from 'node:fs';

const PRIVATE_FOLDER = 0o700;

export const makeFolder = (path: string): void => void mkdirSync(path, { recursive: true, mode: PRIVATE_FOLDER });
