import type { Logger } from '../../engine/log.ts';
import { packageVersion } from '../../engine/process/package-info.ts';
import { openTracing } from '../../engine/tracing/otlp-tracing.ts';
import type { Tracing } from '../../engine/tracing/tracing.ts';

/** Runs a process with its tracing, if the environment asks for one; its last spans are sent at the end. */
export async function traced(role: string, log: Logger, run: (tracing: Tracing | undefined) => Promise<void>): Promise<void> {
  const tracing = await openTracing(`cascade-${role}`, packageVersion(), log);
  try {
    await run(tracing);
  } finally {
    await tracing?.close();
  }
}
