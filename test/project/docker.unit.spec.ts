import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readConfig } from '@nva/service';
import { root } from './files.ts';

const dockerfile = readFileSync(join(root, 'docker/Dockerfile'), 'utf8');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };

/** What can be known of the image without an engine to build it. */
describe('docker/Dockerfile', () => {
  const instruction = (name: string): string => new RegExp(`^${name} (.*)$`, 'm').exec(dockerfile.slice(dockerfile.lastIndexOf('FROM')))![1]!;

  it('runs what npm start runs', () => {
    const command = (JSON.parse(instruction('CMD')) as string[]).join(' ');
    expect(manifest.scripts['start']).toBe(`npm run --silent build && ${command}`);
    expect(existsSync(join(root, 'apps/nva/src/main.ts'))).toBe(true);
  });

  it('sets variables that the configuration takes, and exposes the port that it sets', () => {
    const env = Object.fromEntries(instruction('ENV').split(' ').map((pair) => pair.split('=') as [string, string]));
    const config = readConfig({ ...env, TOKENS_FILE: '/run/tokens.json' });
    expect(config).toMatchObject({ host: '0.0.0.0', port: Number(instruction('EXPOSE')), dataDir: '/data' });
    expect(() => readConfig(env)).toThrow('TOKENS_FILE');
    expect(instruction('HEALTHCHECK')).toContain(`127.0.0.1:${config.port}/healthz`);
  });

  it('does not run as root', () => {
    expect(instruction('USER')).toBe('node');
  });
});
