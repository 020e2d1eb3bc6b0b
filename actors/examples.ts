import type { Command } from 'commander';

/** What people type, by command; `--help` ends with it. */
const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  demo: ['cascade demo', 'cascade demo --text', 'cascade demo --emulated', 'cascade demo --dashboard 9465'],
  init: ['cascade init my-models', 'cascade init my-models --force'],
  options: ['cascade options', 'cascade options devices', 'cascade options --json deployment.schema.json'],
  check: [
    'cascade check my-models',
    'cascade check my-models --http 8000 --dashboard 9465',
    'cascade check my-models --nats nats://10.0.0.5:4222 --json -',
  ],
  profile: ['cascade profile my-models', 'cascade profile my-models --quick'],
  plan: ['cascade plan my-models', 'cascade plan my-models --p95 50 --qps-max 4000', 'cascade plan my-models --accuracy 0.92'],
  calibrate: ['cascade calibrate my-models --seconds 20'],
  provision: ['cascade provision my-models --p95 100 --accuracy 0.92'],
  explain: ['cascade explain my-models/plan.json', 'cascade explain my-models/plan.json --html plan.html'],
  diff: ['cascade diff old/plan.json new/plan.json'],
  simulate: [
    'cascade simulate my-models --qps 500 --seconds 30',
    'cascade simulate my-models --trace trace.csv --slowdown gpu0=2@10-20',
  ],
  compare: [
    'cascade compare my-models --trace trace.csv --html compare.html',
    'cascade compare my-models --qps 500 --seconds 60 --devices 1..4 --strategies cascade,ms',
  ],
  'trace import': ['cascade trace import requests.csv --format timestamps --column time -o trace.csv'],
  'trace scale': ['cascade trace scale trace.csv --peak 4000 -o scaled.csv'],
  'trace drop-empty': ['cascade trace drop-empty trace.csv -o busy.csv'],
  'trace cut': ['cascade trace cut trace.csv --from 60 --seconds 120 -o part.csv'],
  'trace make diurnal': ['cascade trace make diurnal --seconds 600 --low 100 --peak 900 --noise 0.1 -o day.csv'],
  'trace make mmpp': ['cascade trace make mmpp --seconds 600 --rates 200,2000 --stay 60,5 -o bursts.csv'],
  'trace make flash-crowd': ['cascade trace make flash-crowd --seconds 60 --base 500 --peak 4000 --at 20 --hold 10 -o crowd.csv'],
  serve: [
    'cascade serve my-models',
    'cascade serve my-models --http 8000 --grpc 8001',
    'cascade serve my-models --metrics 9464 --dashboard 9465',
    'cascade serve my-models --role host --host h2 --nats nats://10.0.0.5:4222',
  ],
  load: [
    'cascade load my-models --qps 500 --seconds 30',
    'cascade load my-models --trace trace.csv --json report.json',
    'cascade load my-models --find-max --within 100ms --share 0.99',
  ],
  status: ['cascade status my-models', 'cascade status my-models --json -'],
  watch: ['cascade watch my-models', 'cascade watch my-models --seconds 60 > watched.txt'],
  'push-plan': ['cascade push-plan my-models new-plan.json', 'cascade push-plan my-models --rollback'],
  'pin-gear': ['cascade pin-gear my-models 3 --for 10m'],
  'unpin-gear': ['cascade unpin-gear my-models'],
  replan: ['cascade replan my-models'],
  completion: ['source <(cascade completion bash)', 'cascade completion fish > ~/.config/fish/completions/cascade.fish'],
};

/** @param path `trace import` */
export function examplesOf(path: string): readonly string[] {
  return EXAMPLES[path] ?? [];
}

/** @param command the whole program. */
export function addExamples(command: Command): void {
  for (const [path, lines] of Object.entries(EXAMPLES)) {
    const found = path
      .split(' ')
      .reduce<Command | undefined>((at, name) => at?.commands.find((each) => each.name() === name), command);
    if (found === undefined) throw new Error(`examples of ${path}, which is no command`);
    found.addHelpText('after', `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}`);
  }
}
