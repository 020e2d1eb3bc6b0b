import {
  catchError,
  combineLatest,
  concatMap,
  defer,
  EMPTY,
  endWith,
  exhaustMap,
  from,
  ignoreElements,
  merge,
  Observable,
  repeat,
  retry,
  share,
  take,
  takeUntil,
  takeWhile,
  tap,
} from 'rxjs';
import type { Actor } from '../../engine/actor/actor.ts';
import { Channels } from '../../engine/actor/channel.ts';
import { type Clock, every } from '../../engine/clock.ts';
import { CascadeError, messageOf } from '../../engine/errors.ts';
import type { Tracing } from '../../engine/tracing/tracing.ts';
import { LOAD, STATE } from '../../plans/protocol/channels.ts';
import type { Subjects } from '../../plans/protocol/subjects.ts';
import type { SharedClient } from '../client/client.ts';
import type { Inputs } from '../client/request-body.ts';
import type { HttpAddress } from '../http/address.ts';
import { listenHttp } from '../http/listen.ts';
import type { GatewayContext } from './gateway-context.ts';
import { listenGrpc } from './grpc/grpc-server.ts';
import { httpApp } from './http/http-app.ts';
import { inferRoute } from './http/infer-route.ts';
import { Inference } from './inference.ts';
import { OutputLearning } from './learn-outputs.ts';
import { server$ } from './listener.ts';
import { Readiness } from './readiness.ts';
import { RequestMemory } from './request-memory.ts';
import type { ServedModel } from './served-model.ts';
import { Statistics } from './statistics.ts';

/** Time to answer requests in progress when stopping. */
const DRAIN_MS = 25_000;
const PROBE_AGAIN_MS = 1_000;
/** Used when the gateway may not read heartbeats. */
const PROBE_INTERVAL_MS = 5_000;

export interface GatewayOptions {
  /** Prefix of its request ids. */
  readonly name: string;
  readonly subjects: Subjects;
  /** Must use the bus that the actor runs on. */
  readonly client: Pick<SharedClient, 'infer' | 'send'>;
  readonly model: ServedModel;
  /** Samples that are sent to check that the deployment answers, and to learn its outputs. */
  readonly warmUp: readonly Inputs[];
  readonly http: HttpAddress | undefined;
  readonly grpc: HttpAddress | undefined;
  /** Default: no tracing. */
  readonly tracing?: Tracing | undefined;
  readonly onListening: (urls: readonly string[]) => void;
  /** Called once, when the gateway listens and the deployment has answered. */
  readonly onReady: (urls: readonly string[]) => void;
}

/** Serves the Open Inference Protocol for a deployment, of which it is an ordinary client. */
export function gatewayActor({
  name,
  subjects,
  client,
  model,
  warmUp,
  http,
  grpc,
  tracing,
  ...callbacks
}: GatewayOptions): Actor {
  return {
    name: 'gateway',
    description: 'the Open Inference Protocol by HTTP and gRPC',
    behaviour: ({ bus, clock, log, drops, stopping$ }) => {
      const readiness = new Readiness();
      const statistics = new Statistics();
      const inference = new Inference({ client, clock, model, statistics, name, tracing });
      const context: GatewayContext = {
        model,
        inference,
        statistics,
        memory: new RequestMemory(),
        problem: () => readiness.problem(clock.now()),
        draining: () => readiness.draining,
        clock,
        log,
      };

      const servers = [
        http && (() => listenHttp(httpApp(context), http, '--http', inferRoute(context))),
        grpc && (() => listenGrpc(context, grpc)),
      ].filter((listen) => listen !== undefined);
      const listening$ = combineLatest(servers.map((listen) => server$(listen, stopping$, DRAIN_MS))).pipe(
        tap((urls) => callbacks.onListening(urls)),
        share(),
      );
      const drained$ = listening$.pipe(ignoreElements(), endWith(undefined));

      // Answered warm-up samples show that the whole path works.
      const probe$ = defer(() => from(Promise.all(warmUp.map((inputs) => client.infer(inputs))))).pipe(
        tap({ error: (error) => readiness.onProbe(`a warm-up sample was not answered: ${messageOf(error)}`) }),
      );
      const outputs = new OutputLearning({ client, model, warmUp, log });
      const learned$ = probe$.pipe(
        retry({ delay: () => after$(clock, PROBE_AGAIN_MS) }),
        concatMap(() => defer(() => outputs.learn()).pipe(repeat({ delay: () => after$(clock, PROBE_AGAIN_MS) }))),
        takeWhile((isComplete) => !isComplete, true),
        share(),
      );
      // Clients read the metadata once the gateway is ready, so it tries to complete them before, but only once.
      const verified$ = learned$.pipe(
        take(1),
        tap(() => readiness.onProbe(undefined)),
      );
      const probedAgain$ = every(clock, PROBE_INTERVAL_MS).pipe(
        exhaustMap(() =>
          probe$.pipe(
            tap(() => readiness.onProbe(undefined)),
            // A busy deployment is still able to serve.
            tap({
              error: (error) =>
                error instanceof CascadeError && error.code === 'RESOURCE_EXHAUSTED' && readiness.onProbe(undefined),
            }),
            catchError(() => EMPTY),
          ),
        ),
      );
      const channels = new Channels(subjects.root, { bus, drops });
      const heartbeats$ = merge(
        channels.receive$(STATE).pipe(tap((state) => readiness.onState(state, clock.now()))),
        channels.receive$(LOAD).pipe(tap(({ frontend }) => readiness.onLoad(frontend, clock.now()))),
      ).pipe(
        catchError((error) => {
          log.info(
            { reason: messageOf(error) },
            'cannot read heartbeats; checking with a warm-up sample every few seconds whether the deployment answers',
          );
          readiness.onHeartbeatsDenied();
          return probedAgain$;
        }),
      );
      const ready$ = combineLatest([listening$, verified$]).pipe(
        take(1),
        tap(([urls]) => callbacks.onReady(urls)),
      );
      const background$ = merge(
        bus.status$.pipe(tap((status) => readiness.onStatus(status))),
        stopping$.pipe(tap(() => readiness.onDraining())),
        heartbeats$,
        learned$,
        ready$,
      );
      return merge(listening$, background$.pipe(takeUntil(drained$)));
    },
  };
}

function after$(clock: Clock, delayMs: number): Observable<void> {
  return new Observable((subscriber) => clock.after(delayMs, () => subscriber.next()));
}
