import { Hono } from 'hono';
import { merge, takeUntil, tap } from 'rxjs';
import type { Actor } from '../../engine/actor/actor.ts';
import { every } from '../../engine/clock.ts';
import type { Subjects } from '../../plans/protocol/subjects.ts';
import type { HttpAddress } from '../http/address.ts';
import { httpServer$ } from '../http/server.ts';
import { observeDeployment$ } from '../observer/observe-deployment.ts';
import { CONTENT_TYPE, Exposition } from './exposition.ts';
import { Observations, type Observed } from './observations.ts';

export interface MetricsOptions {
  readonly subjects: Subjects;
  readonly observed: Observed;
  readonly address: HttpAddress;
  /** Called with the address it listens on. */
  readonly onReady: (url: string) => void;
}

const SWEEP_INTERVAL_MS = 60_000;

/** Observes the whole deployment and serves `/metrics` to Prometheus. It publishes nothing, so any number of them may run. */
export function metricsActor({ subjects, observed, address, onReady }: MetricsOptions): Actor {
  return {
    name: 'metrics',
    description: 'serves metrics of the deployment to Prometheus',
    behaviour: ({ bus, clock, drops, stopping$ }) => {
      const observations = new Observations(observed, clock.now());
      const app = new Hono();
      app.get('/metrics', (context) => {
        const exposition = new Exposition();
        observations.write(exposition, clock.now(), drops.counts);
        return context.body(exposition.toString(), 200, { 'Content-Type': CONTENT_TYPE });
      });
      app.get('/healthz', (context) => context.text('ok\n'));
      app.notFound((context) => context.text('use /metrics or /healthz\n', 404));
      return merge(
        observeDeployment$({ bus, clock, drops }, subjects, observations),
        every(clock, SWEEP_INTERVAL_MS).pipe(tap(() => observations.sweep(clock.now()))),
        httpServer$(app, address, '--metrics').pipe(tap(({ url }) => onReady(url))),
      ).pipe(takeUntil(stopping$));
    },
  };
}
