import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { exampleSubject } from '../../../../actors/demo/subject.ts';
import { runProgram } from '../../../../actors/program.ts';

test.each([
  ['fashion', 'picture', 'pictures of clothes'],
  ['languages', 'text', 'sixteen languages'],
] as const)('the example %s has its models and data beside it, and is introduced in its own words', (name, noun, words) => {
  const { deployment, introduction, ...subject } = exampleSubject(name);
  expect(deployment.name).toBe(name);
  expect(subject).toMatchObject({ noun, emulated: false, slowdown: 1 });
  expect(introduction).toContain(words);
  for (const { file } of deployment.models) expect(existsSync(file), file).toBe(true);
});

test('a demo has either real or emulated models', async () => {
  const before = process.exitCode;
  try {
    await runProgram(['demo', '--text', '--emulated']);
    expect(process.exitCode).toBe(2);
  } finally {
    process.exitCode = before;
  }
});
