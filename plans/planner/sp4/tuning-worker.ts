import { parentPort, workerData } from 'node:worker_threads';
import type { PlanRequest } from '../plan-request.ts';
import { answerJob } from './tuner.ts';
import { tuningContext } from './tuning-context.ts';
import type { TuningJob } from './tuning-job.ts';
import type { TuningReply } from './tuning-threads.ts';

/** A worker thread of the planner, which simulates one gear after the other. */

const port = parentPort;
if (port === null) throw new Error('tuning-worker runs as a worker thread');
const context = tuningContext(workerData as PlanRequest);

port.on('message', (job: TuningJob) => port.postMessage(reply(job)));

function reply(job: TuningJob): TuningReply {
  try {
    return { answer: answerJob(job, context) };
  } catch (error) {
    // As text, because an error thrown across threads would lose this thread's stack.
    return { failure: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}
