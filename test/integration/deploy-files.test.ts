import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { DRAIN_MS } from '../../actors/processes/life.ts';
import { loadDeployment } from '../../plans/domain/deployment/read-deployment.ts';
import { type DeployLinters, deployLinters } from '../support/deploy-linters.ts';
import { findProgram } from '../support/programs.ts';

const DOCKERFILES = ['docker/Dockerfile', 'docker/cuda.Dockerfile', 'docker/kubernetes/Dockerfile'];
const FOLDER = 'docker/kubernetes';
const MANIFESTS = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml') && name !== 'kustomization.yaml');

interface Container {
  readonly name: string;
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: unknown }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly resources: { readonly requests: Readonly<Record<string, string>>; readonly limits: Readonly<Record<string, string>> };
  readonly securityContext?: unknown;
  readonly [probe: string]: unknown;
}

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec?: {
    readonly replicas?: number;
    readonly selector?: { readonly matchLabels?: Readonly<Record<string, string>> };
    readonly template?: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: {
        readonly terminationGracePeriodSeconds: number;
        readonly securityContext: { readonly runAsNonRoot?: boolean };
        readonly containers: readonly [Container];
      };
    };
  };
}

const manifests = MANIFESTS.flatMap((name) =>
  parseAllDocuments(readFileSync(join(FOLDER, name), 'utf8')).map((document) => document.toJS() as Manifest),
);
const workloads = manifests.flatMap(({ kind, metadata, spec }) => {
  if (spec?.template === undefined) return [];
  const { replicas, selector, template } = spec;
  return [{ kind, name: metadata.name, replicas, selector, labels: template.metadata.labels, pod: template.spec }];
});

test.each(DOCKERFILES.filter((file) => file !== 'docker/cuda.Dockerfile'))(
  '%s copies only what .dockerignore lets through',
  (file) => {
    const kept = readFileSync('.dockerignore', 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    const sources = [...readFileSync(file, 'utf8').matchAll(/^COPY (?!.*--from)((?:--\S+ )*)(.+) \S+$/gm)].flatMap(
      ([, , paths]) => paths.split(' '),
    );
    expect(sources.length).toBeGreaterThan(0);
    for (const source of sources) {
      expect(existsSync(source), source).toBe(true);
      expect(
        kept.some((path) => source === path || source.startsWith(`${path}/`)),
        source,
      ).toBe(true);
    }
  },
);

const scratch = mkdtempSync(join(tmpdir(), 'cascade-linters-'));
afterAll(() => rmSync(scratch, { recursive: true }));

describe('linters', () => {
  let linters: DeployLinters | undefined;
  beforeAll(() => {
    linters = deployLinters('node_modules/.cache/deploy-linters');
  });

  test.for(DOCKERFILES)('hadolint finds nothing in %s', (file, { skip }) => {
    if (linters === undefined) return skip();
    linters.hadolint(file);
  });

  test.for(MANIFESTS)("Kubernetes's schemas accept %s", (name, { skip }) => {
    if (linters === undefined) return skip();
    linters.kubernetes(join(FOLDER, name));
  });

  test('find planted offences', ({ skip }) => {
    if (linters === undefined) return skip();
    const { hadolint, kubernetes } = linters;
    const dockerfile = join(scratch, 'Dockerfile');
    writeFileSync(dockerfile, 'FROM debian:12\nRUN cd /tmp\n');
    expect(() => hadolint(dockerfile)).toThrow('DL3003');
    const manifest = join(scratch, 'host.yaml');
    const host = readFileSync(join(FOLDER, 'host.yaml'), 'utf8');
    writeFileSync(manifest, host.replace('terminationGracePeriodSeconds', 'terminationGracePeriod'));
    expect(() => kubernetes(manifest)).toThrow('terminationGracePeriod');
  });
});

describe('compose files', () => {
  const compose = findProgram('docker-compose');
  test.skipIf(compose === undefined).each([['compose.yaml'], ['cluster.yaml'], ['compose.yaml', 'cuda.yaml']])(
    '%s',
    (...files) => {
      const args = files.flatMap((file) => ['--file', join('docker', file)]);
      expect(() => execFileSync(compose!, [...args, 'config', '--quiet'], { stdio: 'pipe' })).not.toThrow();
    },
  );
});

test('Grafana finds the dashboard and the Prometheus that the compose files start', () => {
  const yaml = <T>(path: string): T => parseAllDocuments(readFileSync(path, 'utf8'))[0].toJS() as T;
  const { services } = yaml<{ services: Record<'grafana' | 'prometheus', { volumes: string[]; command?: string[] }> }>(
    'docker/common.yaml',
  );
  const { providers } = yaml<{ providers: { options: { path: string } }[] }>(
    'docker/grafana/provisioning/dashboards/cascade.yml',
  );
  expect(services.grafana.volumes).toContain(`./grafana/cascade.json:${providers[0].options.path}/cascade.json:ro`);
  expect(services.grafana.volumes).toContain('./grafana/provisioning:/etc/grafana/provisioning:ro');
  const { datasources } = yaml<{ datasources: { type: string; url: string }[] }>(
    'docker/grafana/provisioning/datasources/prometheus.yml',
  );
  const [, port] = /listen-address=127\.0\.0\.1:\$\{PROMETHEUS_PORT:-(\d+)\}/.exec(String(services.prometheus.command)) ?? [];
  expect(datasources).toMatchObject([{ type: 'prometheus', url: `http://127.0.0.1:${port}` }]);
});

describe('the Kubernetes example', () => {
  test('lists all its files', () => {
    const [kustomization] = parseAllDocuments(readFileSync(join(FOLDER, 'kustomization.yaml'), 'utf8'));
    const { resources } = kustomization.toJS() as { readonly resources: readonly string[] };
    expect(resources.toSorted()).toEqual(MANIFESTS.toSorted());
  });

  test.each(workloads)('$name: probes, limits, no root, and time to drain', ({ selector, labels, pod }) => {
    const [container] = pod.containers;
    expect(labels).toEqual(selector?.matchLabels);
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(DRAIN_MS / 1000 + 10);
    expect(pod.securityContext.runAsNonRoot).toBe(true);
    expect(container.securityContext).toMatchObject({ readOnlyRootFilesystem: true, allowPrivilegeEscalation: false });
    expect(container.resources.limits.memory).toBe(container.resources.requests.memory);
    for (const probe of ['readinessProbe', 'livenessProbe']) {
      const { httpGet } = container[probe] as { readonly httpGet: { readonly port: string } };
      const port = container.ports?.find(({ name }) => name === httpGet.port)?.containerPort;
      // The process listens on all addresses.
      if (container.name !== 'nats') expect(container.args).toContain(`0.0.0.0:${port}`);
    }
  });

  test('secrets come from Secrets', () => {
    for (const { pod } of workloads)
      for (const { name, value } of pod.containers[0].env ?? [])
        if (name.endsWith('PASSWORD')) expect(value, name).toBeUndefined();
  });

  test('hosts have class Guaranteed with whole cores, for the static CPU manager', () => {
    const { requests, limits } = workload('host').pod.containers[0].resources;
    expect(requests).toEqual(limits);
    expect(Number.isInteger(Number(limits.cpu))).toBe(true);
  });

  test('names the same hosts and servers as its deployment', () => {
    vi.stubEnv('NATS_USER', 'internal');
    vi.stubEnv('NATS_PASSWORD', 'secret');
    vi.stubEnv('NATS_INBOX', '_INBOX.internal');
    try {
      const { devices, nats } = loadDeployment('conf/two-hosts/kubernetes.yaml', 'anywhere');
      expect(devices.map(({ host }) => host)).toEqual(pods('host'));
      expect(nats.servers).toEqual(pods('nats').map((name) => `nats://${name}.nats:4222`));
      const routes = workload('nats').pod.containers[0].env?.filter(({ name }) => name.startsWith('CASCADE_ROUTE'));
      expect(routes?.map(({ value }) => value)).toEqual(pods('nats').map((name) => `nats-route://${name}.nats:6222`));
    } finally {
      vi.unstubAllEnvs();
    }
  });

  test('runs the deployment in its image', () => {
    const image = readFileSync(join(FOLDER, 'Dockerfile'), 'utf8');
    for (const { name, pod } of workloads.filter((one) => one.name !== 'nats')) {
      const [, file] = pod.containers[0].args ?? [];
      expect(image, name).toContain(`COPY conf/two-hosts ${file.slice(0, -basename(file).length - 1)}\n`);
      expect(readdirSync('conf/two-hosts')).toContain(basename(file));
    }
  });
});

function workload(wanted: string): (typeof workloads)[number] {
  const found = workloads.find(({ name }) => name === wanted);
  if (found === undefined) throw new Error(`no workload ${wanted} in ${FOLDER}`);
  return found;
}

/** The pods of a StatefulSet have stable names. */
function pods(set: string): string[] {
  const { kind, replicas = 1 } = workload(set);
  expect(kind).toBe('StatefulSet');
  return Array.from({ length: replicas }, (_, i) => `${set}-${i}`);
}
