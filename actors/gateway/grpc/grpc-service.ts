import { type handleUnaryCall, Metadata, Server, type ServerUnaryCall, status } from '@grpc/grpc-js';
import { Observable } from 'rxjs';
import { CascadeError, type ErrorCode } from '../../../engine/errors.ts';
import { inferenceService } from '../../../engine/oip/inference-service.ts';
import { packageVersion } from '../../../engine/process/package-info.ts';
import { TRACE_HEADER } from '../../../engine/tracing/tracing.ts';
import { EXTENSIONS, type GatewayContext, MAX_REQUEST_BYTES, SERVER_NAME } from '../gateway-context.ts';
import { modelConfig } from '../model-config.ts';
import { VERSION } from '../served-model.ts';
import { readInferRequest, writeInferResponse } from './infer-messages.ts';
import type { ModelInferRequest } from './messages.ts';

const STATUS: Readonly<Record<ErrorCode, status>> = {
  INVALID_ARGUMENT: status.INVALID_ARGUMENT,
  NOT_FOUND: status.NOT_FOUND,
  DEADLINE_EXCEEDED: status.DEADLINE_EXCEEDED,
  RESOURCE_EXHAUSTED: status.RESOURCE_EXHAUSTED,
  INTERNAL: status.INTERNAL,
  UNAVAILABLE: status.UNAVAILABLE,
};
/** Tells clients with automatic retries when to retry. */
const PUSHBACK = 'grpc-retry-pushback-ms';

/** What a method gets in addition to its message. */
interface Call {
  readonly cancel$: Observable<unknown>;
  /** Time until the client's deadline; undefined: none. */
  readonly leftMs: number | undefined;
  readonly traceparent: string | undefined;
}

type Named = { readonly name: string; readonly version: string };

/** The Open Inference Protocol over gRPC. The server does not listen yet. */
export function grpcServer({ model, inference, statistics, problem, log }: GatewayContext): Server {
  const server = new Server({
    'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
    'grpc.max_send_message_length': -1,
  });
  const checked = ({ name, version }: Named): void => model.check(name, version);
  server.addService(inferenceService(), {
    ServerLive: unary(() => ({ live: true })),
    ServerReady: unary(() => ({ ready: problem() === undefined })),
    ModelReady: unary((named: Named) => {
      checked(named);
      return { ready: problem() === undefined };
    }),
    ServerMetadata: unary(() => ({ name: SERVER_NAME, version: packageVersion(), extensions: EXTENSIONS })),
    ModelMetadata: unary((named: Named) => {
      checked(named);
      return model.metadata;
    }),
    ModelConfig: unary((named: Named) => {
      checked(named);
      return { config: modelConfig(model.metadata) };
    }),
    // Without a name: statistics of all models.
    ModelStatistics: unary((named: Named) => {
      if (named.name !== '') checked(named);
      return { model_stats: [statistics.of(model.name, VERSION)] };
    }),
    ModelInfer: unary(async (request: ModelInferRequest, { cancel$, leftMs, traceparent }) => {
      model.check(request.model_name, request.model_version);
      const tensors = await inference.infer({ ...readInferRequest(request, model.specs, leftMs), traceparent }, cancel$);
      const head = { model_name: model.name, model_version: VERSION, id: request.id };
      return writeInferResponse(head, tensors, request.raw_input_contents.length > 0);
    }),
  });
  return server;

  function unary<Request>(method: (request: Request, call: Call) => object | Promise<object>): handleUnaryCall<Request, object> {
    return (call, respond) => {
      Promise.resolve()
        .then(() => method(call.request, { cancel$: cancelled$(call), leftMs: leftMsOf(call), traceparent: traceparentOf(call) }))
        .then(
          (response) => respond(null, response),
          (error) => respond(statusOf(error)),
        );
    };
  }

  function statusOf(error: unknown): { code: status; details: string; metadata?: Metadata } {
    if (!(error instanceof CascadeError)) {
      log.error({ err: error }, 'a request failed because of a bug in the gateway');
      return { code: status.INTERNAL, details: 'the gateway failed; its log says why' };
    }
    const metadata = new Metadata();
    if (error.retryAfterMs !== undefined) metadata.set(PUSHBACK, String(Math.ceil(error.retryAfterMs)));
    return { code: STATUS[error.code], details: error.message, metadata };
  }
}

function cancelled$(call: ServerUnaryCall<unknown, object>): Observable<void> {
  return new Observable((subscriber) => {
    const onCancelled = (): void => subscriber.next();
    if (call.cancelled) onCancelled();
    call.on('cancelled', onCancelled);
    return () => call.off('cancelled', onCancelled);
  });
}

function traceparentOf({ metadata }: ServerUnaryCall<unknown, object>): string | undefined {
  return metadata.get(TRACE_HEADER)[0]?.toString();
}

function leftMsOf(call: ServerUnaryCall<unknown, object>): number | undefined {
  const deadline = Number(call.getDeadline());
  return Number.isFinite(deadline) ? Math.max(1, deadline - Date.now()) : undefined;
}
