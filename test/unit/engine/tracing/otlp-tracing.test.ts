import { afterEach, expect, test, vi } from 'vitest';
import { openTracing } from '../../../../engine/tracing/otlp-tracing.ts';

const log = { warn: () => undefined };
const NOWHERE = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' };
const open = (environment: NodeJS.ProcessEnv) => openTracing('test', '1', log, environment);

afterEach(() => {
  vi.doUnmock('@opentelemetry/api');
  vi.resetModules();
});

test('is off, and loads no package, unless a collector is named', async () => {
  const loaded = vi.fn();
  vi.doMock('@opentelemetry/api', () => {
    loaded();
    throw new Error('is not installed');
  });
  for (const environment of [{}, { OTEL_EXPORTER_OTLP_ENDPOINT: '' }, { ...NOWHERE, OTEL_SDK_DISABLED: 'true' }])
    expect(await open(environment)).toBeUndefined();
  expect(loaded).not.toHaveBeenCalled();
  await expect(open(NOWHERE)).rejects.toThrow(/OTEL_EXPORTER_OTLP_ENDPOINT is set, but .* cannot be loaded .* --omit=optional/);
  expect(loaded).toHaveBeenCalled();
});

test('continues the given trace, including the decision not to record it', async () => {
  const tracing = await open(NOWHERE);
  const start = (parent: string | undefined) => tracing!.start({ name: 'a', kind: 'server', parent, startedAt: 0 });
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  expect(start(`00-${traceId}-b7ad6b7169203331-01`).traceparent).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
  const undrawn = start(`00-${traceId}-b7ad6b7169203331-00`);
  expect(undrawn.traceparent).toBeUndefined();
  expect(undrawn.context).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`));
  // An unreadable header starts a new trace.
  for (const parent of [undefined, 'nonsense']) expect(start(parent).traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
});
