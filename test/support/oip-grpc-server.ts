import { Server, ServerCredentials, type ServiceError, type sendUnaryData } from '@grpc/grpc-js';
import { inferenceService } from '../../engine/oip/inference-service.ts';
import { ECHO_METADATA } from './oip-server.ts';

/** A small gRPC server of the Open Inference Protocol with the model `m` of `ECHO_METADATA`, always ready, that a test controls. */
export interface OipGrpcServer {
  readonly url: string;
  /** Sent instead of answers to inferences. */
  failure: Pick<ServiceError, 'code' | 'details'> | undefined;
  /** Ends connections at once. */
  stop(): void;
}

export async function startOipGrpcServer(): Promise<OipGrpcServer> {
  const server = new Server();
  const state = { failure: undefined as OipGrpcServer['failure'] };
  server.addService(inferenceService(), {
    ModelReady: (_: unknown, done: sendUnaryData<object>) => done(null, { ready: true }),
    ModelMetadata: (_: unknown, done: sendUnaryData<object>) => done(null, ECHO_METADATA),
    ModelInfer: ({ request }: { request: Request }, done: sendUnaryData<object>) => {
      if (state.failure !== undefined) return done(state.failure);
      const [{ shape }] = request.inputs;
      done(null, { outputs: [{ name: 'scores', datatype: 'FP32', shape }], raw_output_contents: request.raw_input_contents });
    },
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  return Object.assign(state, { url: `grpc://127.0.0.1:${port}`, stop: () => server.forceShutdown() });
}

interface Request {
  readonly inputs: readonly { readonly shape: readonly number[] }[];
  readonly raw_input_contents: readonly Uint8Array[];
}
