import { expect, test } from 'vitest';
import { versionWarning } from '../../../../engine/bus/server-version.ts';

test.each(['2.8.4', '2.9.9', '2.9', '1.4.1', '2.9.9-beta.1'])('%s is too old', (version) => {
  expect(versionWarning(version, 'nats://here')).toBe(
    `the NATS server (nats://here) has version ${version}; use 2.9.10 or newer: older ones are not tested`,
  );
});

test.each(['2.9.10', '2.9.11', '2.10.0', '2.15.1-RC.1', '3.0.0', undefined])('%s is not', (version) => {
  expect(versionWarning(version, 'nats://here')).toBeUndefined();
});
