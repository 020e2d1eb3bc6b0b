import { type handleUnaryCall, Server, type ServerDuplexStream, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { Observable, share } from 'rxjs';
import type { Clock } from '../../../engine/clock.ts';
import { CascadeError } from '../../../engine/errors.ts';
import { packageVersion } from '../../../engine/process/package-info.ts';
import { TRACE_HEADER } from '../../../engine/tracing/tracing.ts';
import { EXTENSIONS, type GatewayContext, SERVER_NAME } from '../gateway-context.ts';
import { MAX_REQUEST_BYTES } from '../limits.ts';
import { modelConfig } from '../model-config.ts';
import { VERSION } from '../served-model.ts';
import { boundedCalls, type StreamMessage } from './bounded-calls.ts';
import { failureOf } from './failure.ts';
import { readInferRequest, writeInferResponse } from './infer-messages.ts';
import type { ModelInferRequest, ModelInferResponse, ModelStreamInferResponse } from './messages.ts';
import { DRAINING, OpenStreams } from './open-streams.ts';
import { respondWith } from './respond.ts';
import { timeLeft } from './time-left.ts';
import { unreadService } from './unread-service.ts';

/** What a method gets in addition to its message. */
interface Call {
  readonly cancel$: Observable<unknown>;
  /** Time until the client's deadline; undefined: none. */
  readonly leftMs: () => number | undefined;
  readonly traceparent: string | undefined;
}

/** Of one connection, at a time; a client keeps the others waiting. */
const MAX_CALLS = 1_024;

type Named = { readonly name: string; readonly version: string };

/** The Open Inference Protocol over gRPC. The server does not listen yet. */
export function grpcServer(context: GatewayContext): { readonly server: Server; readonly streams: OpenStreams } {
  const { model, inference, statistics, memory, problem, clock, log } = context;
  const server = new Server({
    'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': MAX_CALLS,
    interceptors: [boundedCalls(memory, log)],
  });
  const service = unreadService();
  const streams = new OpenStreams(log);
  const checked = ({ name, version }: Named): void => model.check(name, version);
  server.addService(service.definition, {
    ServerLive: unary('ServerLive', () => ({ live: true })),
    ServerReady: unary('ServerReady', () => ({ ready: problem() === undefined })),
    ModelReady: unary('ModelReady', (named: Named) => {
      checked(named);
      return { ready: problem() === undefined };
    }),
    ServerMetadata: unary('ServerMetadata', () => ({ name: SERVER_NAME, version: packageVersion(), extensions: EXTENSIONS })),
    ModelMetadata: unary('ModelMetadata', (named: Named) => {
      checked(named);
      return model.metadata;
    }),
    ModelConfig: unary('ModelConfig', (named: Named) => {
      checked(named);
      return { config: modelConfig(model.metadata) };
    }),
    // Without a name: statistics of all models.
    ModelStatistics: unary('ModelStatistics', (named: Named) => {
      if (named.name !== '') checked(named);
      return { model_stats: [statistics.of(model.name, VERSION)] };
    }),
    ModelInfer: (call: ServerUnaryCall<Buffer, object>, respond: sendUnaryData<object>) => {
      void respondWith(respond, () => infer(service.read('ModelInfer', call.request), callOf(call, clock)), log);
    },
    ModelStreamInfer: (call: ServerDuplexStream<StreamMessage, ModelStreamInferResponse>) => {
      const { cancel$, ...rest } = callOf(call, clock);
      // One listener for all its messages.
      const shared = { ...rest, cancel$: cancel$.pipe(share()) };
      streams.open(call, (message) => answerMessage(message, shared));
    },
  });
  return { server, streams };

  async function infer(request: ModelInferRequest, { cancel$, leftMs, traceparent }: Call): Promise<ModelInferResponse> {
    model.check(request.model_name, request.model_version);
    const tensors = await inference.infer({ ...readInferRequest(request, model.specs, leftMs()), traceparent }, cancel$);
    return writeInferResponse(headOf(request.id), tensors, request.raw_input_contents.length > 0);
  }

  async function answerMessage({ bytes, done }: StreamMessage, call: Call): Promise<ModelStreamInferResponse> {
    let id = '';
    try {
      const request = service.read<ModelInferRequest>('ModelInfer', bytes);
      id = request.id;
      if (streams.draining) throw new CascadeError('UNAVAILABLE', DRAINING);
      return { error_message: '', infer_response: await infer(request, call) };
    } catch (error) {
      return { error_message: failureOf(error, log).details, infer_response: { ...headOf(id), ...NO_TENSORS } };
    } finally {
      done();
    }
  }

  function headOf(id: string): { model_name: string; model_version: string; id: string } {
    return { model_name: model.name, model_version: VERSION, id };
  }

  function unary<Request>(
    name: string,
    method: (request: Request, call: Call) => object | Promise<object>,
  ): handleUnaryCall<Buffer, object> {
    return (call, respond) => {
      void respondWith(respond, () => method(service.read(name, call.request), callOf(call, clock)), log);
    };
  }
}

const NO_TENSORS = { outputs: [], raw_output_contents: [] };

type AnyCall = ServerUnaryCall<unknown, object> | ServerDuplexStream<unknown, object>;

function callOf(call: AnyCall, clock: Clock): Call {
  return { cancel$: cancelled$(call), leftMs: timeLeft(call.getDeadline(), Date.now(), clock), traceparent: traceparentOf(call) };
}

function cancelled$(call: AnyCall): Observable<void> {
  return new Observable((subscriber) => {
    const onCancelled = (): void => subscriber.next();
    if (call.cancelled) onCancelled();
    call.on('cancelled', onCancelled);
    return () => call.off('cancelled', onCancelled);
  });
}

function traceparentOf({ metadata }: AnyCall): string | undefined {
  return metadata.get(TRACE_HEADER)[0]?.toString();
}
