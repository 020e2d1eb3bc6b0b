import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { startNatsServer } from '../../engine/bus/nats-server.ts';
import { resultFor, stubFrontend } from '../support/stub-frontend.ts';

it('runs the example in the documentation exactly as written', async () => {
  const server = await startNatsServer();
  const bus = await connectNats({ servers: server.url });
  const frontend = await stubFrontend(bus, ({ id, answer }) => answer(resultFor(id, 7)), 'fashion');

  const source = await readFile(new URL('../../actors/client/client.ts', import.meta.url), 'utf8');
  const example = /```ts\n(.*?)```/s.exec(source)?.[1].replaceAll(/^ \* ?/gm, '') ?? '';
  const script = example
    .replace("'cascadeserve'", JSON.stringify(new URL('../../actors/client/index.ts', import.meta.url).pathname))
    .replace('nats://127.0.0.1:4222', server.url)
    // More than a busy machine needs to start a process and compile its program.
    .replace('deadlineMs: 500', 'deadlineMs: 30_000');
  expect(script).not.toBe(example);
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
  expect(stdout).toBe('7 0.9 linear\n');
  expect(frontend.requests[0].inputs.image).toHaveLength(784);

  await bus.close();
  await server.stop();
});
