import type { Bus } from '../../engine/bus/bus.ts';
import { CascadeError } from '../../engine/errors.ts';
import { printable } from '../../engine/printable.ts';
import type { Deployment } from '../../plans/domain/deployment/deployment.ts';
import { type Subjects, subjectsOf } from '../../plans/protocol/subjects.ts';
import type { Status } from '../controller/status-report.ts';
import { readReply } from './read-reply.ts';

const TIMEOUT_MS = 2_000;

/** Gets the status of a running deployment. @throws CascadeError UNAVAILABLE when nobody serves it, DEADLINE_EXCEEDED when nobody answers. */
export async function requestStatus(bus: Bus, { status }: Pick<Subjects, 'status'>): Promise<Status> {
  const { data } = await bus.request(status, new Uint8Array(), { timeoutMs: TIMEOUT_MS });
  return readReply<Status>(data, printable);
}

/**
 * Like `requestStatus`; when nobody serves the deployment, the error says what to do.
 * @param where names the NATS servers in the error.
 */
export async function askStatus(bus: Bus, { name, prefix }: Pick<Deployment, 'name' | 'prefix'>, where: string): Promise<Status> {
  try {
    return await requestStatus(bus, subjectsOf(name, prefix));
  } catch (error) {
    if (!(error instanceof CascadeError) || error.code !== 'UNAVAILABLE') throw error;
    const what = `nobody serves ${name} at ${where} (${error.message}); start it with \`cascade serve\``;
    throw new CascadeError('UNAVAILABLE', what);
  }
}
