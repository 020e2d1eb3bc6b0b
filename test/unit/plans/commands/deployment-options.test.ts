import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ConfigError } from '../../../../engine/errors.ts';
import * as deploymentOptions from '../../../../plans/commands/deployment-options.ts';
import { deploymentReference } from '../../../../plans/domain/deployment/reference.ts';
import { runInProcess } from '../../../support/run-in-process.ts';

const run = (...args: string[]) => runInProcess([deploymentOptions], ['options', ...args]);

test('shows each option with its type, its default as it can be written, and its meaning', async () => {
  const { stdout } = await run();
  expect(stdout).toContain(
    'deadline: number or string or mapping\n    Every request without a deadline of its own is answered within this time',
  );
  expect(stdout).toContain(
    'Default: 10 times the p95 of the SLO, but at least 1.5s, which outlasts the loss of a device, and at most 30s',
  );
  expect(stdout).toContain('deadline.max: number or string, default 600000\n    Longest deadline');
  expect(stdout).toContain('devices[](kind: cpu).memory: number or string, required\n');
  expect(stdout).toContain('inputs.<name>.pad: number\n');
  expect(stdout).toContain('frontends: integer or in-devices, default 1\n');
  expect(stdout).toContain('certainty: margin | logit-margin | max-probability | entropy or mapping, default "margin"\n');
});

test('includes each option that the example deployment uses, and each has a type', async () => {
  const paths = deploymentReference().map(({ path }) => path);
  const used = readFileSync(new URL('../../../../conf/fashion/deployment.yaml', import.meta.url), 'utf8');
  const top = [...used.matchAll(/^([a-zA-Z]+):/gm)].map(([, name]) => name);
  expect(top.length).toBeGreaterThan(5);
  expect(paths).toEqual(expect.arrayContaining(top));
  expect(new Set(paths).size).toBe(paths.length);
  for (const { path, type } of deploymentReference()) expect(type, path).not.toBe('anything');
});

test('shows one option and its parts, or lists the options if there is no such option', async () => {
  const { stdout } = await run('drift');
  expect(stdout.match(/^\S+:/gm)).toEqual(expect.arrayContaining(['drift:', 'drift.replan:']));
  expect(stdout).not.toContain('deadline:');
  await expect(run('drif')).rejects.toThrow(ConfigError);
  await expect(run('drif')).rejects.toThrow('a deployment has no option drif; it has name, models');
});

test('prints the JSON Schema', async () => {
  const schema = JSON.parse((await run('--json', '-')).stdout);
  expect(schema).toMatchObject({
    type: 'object',
    properties: { frontends: { default: 1 }, deadline: { anyOf: [{ type: ['number', 'string'] }, { type: 'object' }] } },
  });
  expect(schema.required).toEqual(expect.arrayContaining(['name', 'devices', 'slo', 'load']));
});
