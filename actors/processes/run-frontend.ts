import { reportReady, runConnected, runUntilShutdown } from './life.ts';
import { compileRevision, connectServing, initialPlan, type ServingContext } from './serving-context.ts';
import { startFrontend } from './start-frontend.ts';
import { traced } from './traced.ts';

/** One frontend process. */
export function runFrontend(serving: ServingContext): Promise<void> {
  return traced('frontend', serving.log, (tracing) =>
    runConnected(connectServing(serving, 'frontend'), async (bus) => {
      const plan = compileRevision(serving, await initialPlan(serving, bus));
      await runUntilShutdown([await startFrontend(serving, bus, plan, reportReady, tracing)], serving.log);
    }),
  );
}
