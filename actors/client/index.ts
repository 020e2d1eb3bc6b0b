/** Public API of the package: a client for deployments served by `cascade serve`. */
export type { NatsOptions } from '../../engine/bus/nats-options.ts';
export type { Stored } from '../../engine/bus/work-queue.ts';
export { CascadeError, ConfigError, type ErrorCode } from '../../engine/errors.ts';
export { type Answer, type Exit, type Failure, isFailure, type Result } from '../../plans/protocol/messages.ts';
export { type CallOptions, type CascadeClient, type ClientOptions, connectCascade, type InferManyOptions } from './client.ts';
export type { EnqueueOptions } from './enqueue.ts';
export type { ExchangeCounts } from './exchange.ts';
export type { InferOptions, InferRequest, Inputs, InputValue, ShapedValue, Values } from './request-body.ts';
export type { Source } from './supply.ts';
