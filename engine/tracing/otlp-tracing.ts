import type { Context, SpanContext } from '@opentelemetry/api';
import { ConfigError, messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Span, SpanStart, Tracing } from './tracing.ts';

/** OpenTelemetry's environment variables: any of them turns tracing on, unless OTEL_SDK_DISABLED is `true`. */
const ENDPOINTS = ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'] as const;

/**
 * Sends spans over OTLP/HTTP to the OpenTelemetry collector that the environment names. Loads OpenTelemetry's packages, which are
 * optional dependencies, only if it names one.
 * @param service name of this process; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES take precedence.
 * @returns undefined if the environment names no collector.
 * @throws ConfigError if it names one and the packages are missing.
 */
export async function openTracing(
  service: string,
  version: string,
  log: Pick<Logger, 'warn'>,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Tracing | undefined> {
  const named = ENDPOINTS.find((name) => (environment[name] ?? '') !== '');
  if (named === undefined || environment.OTEL_SDK_DISABLED?.toLowerCase() === 'true') return undefined;
  const { api, core, resources, sdk, exporter } = await loadPackages(named);
  // Failed exports show up nowhere else.
  const warn = (message: string, ...details: unknown[]): void => log.warn({ details }, `tracing: ${message}`);
  api.diag.setLogger(
    { error: warn, warn, info: IGNORED, debug: IGNORED, verbose: IGNORED },
    { logLevel: api.DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
  const provider = new sdk.BasicTracerProvider({
    resource: resources
      .defaultResource()
      .merge(resources.resourceFromAttributes({ 'service.name': service, 'service.version': version }))
      .merge(resources.detectResources({ detectors: [resources.envDetector] })),
    spanProcessors: [new sdk.BatchSpanProcessor(new exporter.OTLPTraceExporter())],
  });
  const tracer = provider.getTracer('cascadeserve', version);

  const contextOf = (traceparent: string | undefined): Context => {
    const parent = traceparent === undefined ? null : core.parseTraceParent(traceparent);
    return parent === null ? api.ROOT_CONTEXT : api.trace.setSpanContext(api.ROOT_CONTEXT, { ...parent, isRemote: true });
  };
  return {
    start: ({ name, kind, parent, startedAt }: SpanStart): Span => {
      const spanKind = kind === 'server' ? api.SpanKind.SERVER : api.SpanKind.INTERNAL;
      const span = tracer.startSpan(name, { kind: spanKind, startTime: startedAt }, contextOf(parent));
      const context = traceparentOf(span.spanContext());
      return {
        context,
        traceparent: span.isRecording() ? context : undefined,
        end: (endedAt, attributes, error) => {
          if (!span.isRecording()) return;
          span.setAttributes(attributes);
          if (error !== undefined) span.setStatus({ code: api.SpanStatusCode.ERROR, message: error });
          span.end(endedAt);
        },
      };
    },
    close: async () => {
      try {
        await provider.shutdown();
      } catch (error) {
        log.warn({ reason: messageOf(error) }, 'tracing: the last spans were not sent');
      }
    },
  };
}

const IGNORED = (): void => undefined;

async function loadPackages(endpoint: string) {
  try {
    const [api, core, resources, sdk, exporter] = await Promise.all([
      import('@opentelemetry/api'),
      import('@opentelemetry/core'),
      import('@opentelemetry/resources'),
      import('@opentelemetry/sdk-trace-base'),
      import('@opentelemetry/exporter-trace-otlp-http'),
    ]);
    return { api, core, resources, sdk, exporter };
  } catch (error) {
    throw new ConfigError(
      `${endpoint} is set, but OpenTelemetry's packages cannot be loaded (${messageOf(error).split('\n')[0]}); ` +
        `they are optional dependencies of cascadeserve: install it without --omit=optional, or unset ${endpoint}`,
    );
  }
}

/** W3C Trace Context, version 00. */
function traceparentOf({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}
