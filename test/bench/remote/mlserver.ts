import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand, startCommand } from '../../support/cascade.ts';
import { alive, descendants } from '../../support/processes.ts';
import { until } from './until.ts';

const PACKAGES = ['mlserver==1.7.1', 'onnxruntime', 'numpy'];
const STARTED_MS = 120_000;

export interface MlServer {
  readonly version: string;
  /** Resolves when all models are ready. */
  start(
    folder: string,
    ports: { readonly http: number; readonly grpc: number; readonly metrics: number },
    models: readonly string[],
    family: string,
  ): Promise<{ kill(): Promise<void> }>;
}

/** @returns the reason if it cannot be set up. */
export async function setUpMlServer(python: string, environment: string): Promise<MlServer | { readonly skipped: string }> {
  const done = join(environment, 'packages.txt');
  const wanted = PACKAGES.join('\n');
  if (!existsSync(done) || readFileSync(done, 'utf8') !== wanted) {
    try {
      process.stderr.write(`setting up ${PACKAGES.join(', ')}\n`);
      await runCommand(python, ['-m', 'venv', '--clear', environment]);
      await runCommand(join(environment, 'bin', 'python'), [
        '-m',
        'pip',
        'install',
        '-q',
        '--disable-pip-version-check',
        ...PACKAGES,
      ]);
      writeFileSync(done, wanted);
    } catch (error) {
      return { skipped: (error as Error).message.trim().split('\n').at(-1) ?? '' };
    }
  }
  return {
    version: PACKAGES[0],
    async start(folder, ports, models, family) {
      for (const model of models) {
        mkdirSync(join(folder, model), { recursive: true });
        const settings = {
          name: model,
          implementation: 'onnx_runtime.OnnxModel',
          parameters: { uri: join(family, 'models', `${model}.onnx`), version: 'v1' },
          inputs: [{ name: 'image', datatype: 'UINT8', shape: [-1, 1, 28, 28] }],
          outputs: [{ name: 'scores', datatype: 'FP32', shape: [-1, 10] }],
        };
        writeFileSync(join(folder, model, 'model-settings.json'), JSON.stringify(settings));
      }
      const settings = {
        host: '127.0.0.1',
        http_port: ports.http,
        grpc_port: ports.grpc,
        metrics_port: ports.metrics,
        parallel_workers: 0,
      };
      writeFileSync(join(folder, 'settings.json'), JSON.stringify(settings));
      const started = startCommand(join(environment, 'bin', 'mlserver'), ['start', folder], {
        env: { PYTHONPATH: fileURLToPath(new URL('servers', import.meta.url)), PYTHONDONTWRITEBYTECODE: '1' },
      });
      // MLServer logs to stdout; nobody waits for its first line.
      started.firstLine.catch(() => undefined);
      await until(STARTED_MS, async () => {
        if (started.process.exitCode !== null) return;
        const { ok } = await fetch(`http://127.0.0.1:${ports.http}/v2/health/ready`);
        if (!ok) throw new Error('MLServer is not ready');
      });
      if (started.process.exitCode !== null) throw new Error(started.stderr());
      return {
        async kill() {
          const children = descendants(started.process.pid ?? 0);
          started.process.kill('SIGKILL');
          for (const line of alive(children)) process.kill(Number(line.split(' ', 1)[0]), 'SIGKILL');
          await started.ended;
        },
      };
    },
  };
}
