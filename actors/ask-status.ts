import type { Bus } from '../engine/bus/bus.ts';
import { CascadeError } from '../engine/errors.ts';
import { subjectsOf } from '../engine/wire/subjects.ts';
import type { Deployment } from '../plans/deployment.ts';
import type { Status } from './status.ts';

const TIMEOUT_MS = 2_000;

/**
 * Asks a running deployment how it is.
 * @param where the servers asked, for people.
 * @throws CascadeError UNAVAILABLE when nobody serves it, DEADLINE_EXCEEDED when nobody answers in time.
 */
export async function askStatus(bus: Bus, { name, prefix }: Pick<Deployment, 'name' | 'prefix'>, where: string): Promise<Status> {
  const { status } = subjectsOf(name, prefix);
  try {
    const answer = await bus.request(status, new Uint8Array(), { timeoutMs: TIMEOUT_MS });
    return JSON.parse(Buffer.from(answer.data).toString()) as Status;
  } catch (error) {
    if (!(error instanceof CascadeError) || error.code !== 'UNAVAILABLE') throw error;
    const what = `nobody serves ${name} at ${where} (${error.message}); start it with \`cascade serve\``;
    throw new CascadeError('UNAVAILABLE', what);
  }
}
