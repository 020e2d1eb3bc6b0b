import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { startCommand } from '../../support/cascade.ts';
import { freePort } from '../../support/free-port.ts';
import { type Contender, cascadeArgs, type Tree } from '../support/promise/contender.ts';
import { memoryOf } from '../support/promise/memory.ts';

/** The same deployment over HTTP through our gateway, like the peers. */
export function behindGateway(tree: Tree): (contender: Contender) => Contender {
  return (contender) => ({
    ...contender,
    name: `${contender.name}, by HTTP`,
    async start() {
      if (!existsSync(join(tree.folder, 'dist/actors/gateway'))) throw new Error('this checkout has no gateway');
      const deployment = await contender.start();
      const port = await freePort();
      const address = `127.0.0.1:${port}`;
      const where = ['--http', address, '--nats', deployment.endpoint.url];
      const args = cascadeArgs(tree, 'serve', '--role', 'gateway', '--profile', tree.profile, '--plan', tree.plan, ...where);
      const gateway = startCommand(process.execPath, args);
      const stop = async (): Promise<void> => {
        await gateway.stop();
        await deployment.stop();
      };
      try {
        await gateway.firstLine;
      } catch (error) {
        await stop();
        throw error;
      }
      return {
        endpoint: { url: `http://${address}/v2/models/fashion/infer`, format: 'open-inference' },
        memory: () => {
          const [own, more] = [deployment.memory(), memoryOf([gateway.process.pid!])];
          return { pssMiB: own.pssMiB + more.pssMiB, rssMiB: own.rssMiB + more.rssMiB };
        },
        stop,
      };
    },
  });
}
