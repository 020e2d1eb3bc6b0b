import { METRICS } from './declarations.ts';

/** docs/metrics.md, generated from the declarations; a test compares the file with this. */
export function metricsPage(): string {
  const rows = Object.values(METRICS).map(({ name, type, unit, help, labels }) => {
    const shown = labels.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${type} | ${unit} | ${shown} | ${help} |`;
  });
  return `# Metrics

\`cascade serve DIR --metrics 9464\` serves metrics to Prometheus at \`http://127.0.0.1:9464/metrics\`; \`--metrics 0.0.0.0:9464\` lets other machines
read them too. \`cascade serve DIR --role metrics\` runs only the exporter, on any machine: it listens on NATS and needs neither profile nor
plan. One exporter covers the whole deployment, so scrape only one. Devices count in memory and report once a second, whether or not anybody
listens.

\`docker/prometheus/\` has a configuration and alert rules, \`docker/grafana/\` a dashboard. \`docker compose -f docker/compose.yaml --profile
observe up\` starts them along with a deployment.

Counters with the label \`device\` start at zero when its process does, as Prometheus expects; all others when the exporter does, and they keep growing
when a role restarts. \`role\` is \`frontend\` for all frontends together,
\`device-<id>\` for a device, \`metrics\` for the exporter itself.

| name | type | unit | labels | |
|---|---|---|---|---|
${rows.join('\n')}

This page is generated from \`actors/metrics/declarations.ts\`; run \`npx vitest run test/unit/actors/metrics -u\` to update it.
`;
}
