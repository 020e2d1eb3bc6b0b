import type { Command } from 'commander';
import { shownServers } from '../../engine/bus/server-urls.ts';
import { positiveInteger } from '../../plans/commands/options.ts';
import type { Second } from '../observer/picture.ts';
import { natsOption, serversOf } from '../processes/nats-url.ts';

interface Options {
  readonly nats?: string;
  readonly seconds?: number;
}

/** Wider than any terminal. */
const SECONDS_KEPT = 400;
/** For a terminal that does not report its size. */
const STANDARD_SIZE = { columns: 100, rows: 40 };
/** The terminal's alternate screen without a cursor; the normal screen reappears afterwards. */
const ENTER_SCREEN = '\x1b[?1049h\x1b[?25l';
const LEAVE_SCREEN = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';

export function register(program: Command): void {
  program
    .command('watch')
    .description('show a running deployment in the terminal, second by second; without a terminal, print a line per second')
    .argument('<deployment>', 'deployment file, or its folder')
    .addOption(natsOption())
    .option('--seconds <n>', 'how long (default: until Ctrl-C)', positiveInteger)
    .action(watch);
}

async function watch(path: string, options: Options): Promise<void> {
  const { loadDeployment } = await import('../../plans/domain/deployment/read-deployment.ts');
  const { subjectsOf } = await import('../../plans/protocol/subjects.ts');
  const { startActor } = await import('../../engine/actor/actor.ts');
  const { realClock } = await import('../../engine/clock.ts');
  const { silentLogger } = await import('../../engine/log.ts');
  const { connectTo } = await import('../processes/connect.ts');
  const { askStatus } = await import('../operator/ask-status.ts');
  const { askedToStop } = await import('../processes/life.ts');
  const { describeSecond, drawScreen } = await import('../watch/screen.ts');
  const { watchActor } = await import('../watch/watch.ts');

  const deployment = loadDeployment(path, 'anywhere');
  const { name, prefix, slo, load } = deployment;
  const servers = serversOf(deployment, options.nats);
  const bus = await connectTo(servers, deployment.nats, 'cascade-watch');
  const { stdout } = process;
  try {
    // Tells people if the deployment is not being served.
    const status = await askStatus(bus, deployment, shownServers(servers));
    const seconds: Second[] = [];
    let onEnd: (why: string) => void = () => undefined;
    const seen = new Promise<string>((resolve) => {
      onEnd = resolve;
    });
    let left = options.seconds ?? Number.POSITIVE_INFINITY;
    if (stdout.isTTY) stdout.write(ENTER_SCREEN);
    const actor = startActor(
      watchActor({
        subjects: subjectsOf(name, prefix),
        status,
        onSecond: (watched) => {
          seconds.push(watched.second);
          if (seconds.length > SECONDS_KEPT) seconds.shift();
          if (stdout.isTTY) {
            const { columns = STANDARD_SIZE.columns, rows = STANDARD_SIZE.rows } = stdout;
            const lines = drawScreen({ ...watched, deployment: name, slo, qpsMax: load.qpsMax, seconds }, { columns, rows });
            stdout.write(`${HOME}${lines.map((line) => `${line}${CLEAR_LINE}\n`).join('')}${CLEAR_BELOW}`);
          } else stdout.write(`${describeSecond(watched.second)}\n`);
          if (--left <= 0) onEnd('seen');
        },
      }),
      { bus, clock: realClock, log: silentLogger },
    );
    await Promise.race([askedToStop(), seen]);
    await actor.stop(0);
  } finally {
    if (stdout.isTTY) stdout.write(LEAVE_SCREEN);
    await bus.close();
  }
}
