import { Worker } from 'node:worker_threads';
import { entry } from '../../../engine/source.ts';
import type { PlanRequest } from '../plan-request.ts';
import type { Tuner, TuningAnswer, TuningJob } from './tuning-job.ts';

/** A worker thread's reply to a job. */
export interface TuningReply {
  readonly answer?: TuningAnswer;
  /** The worker's exception: a defect. */
  readonly failure?: string;
}

interface Waiting {
  readonly job: TuningJob;
  readonly resolve: (answer: TuningAnswer) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Runs jobs on worker threads, each with its own context made from the request. Results do not depend on the thread and are returned
 * in the order of the jobs, so plans do not depend on the number of threads.
 */
export class TuningThreads implements Tuner {
  readonly #workers: Worker[] = [];
  readonly #idle: Worker[] = [];
  readonly #running = new Map<Worker, Waiting>();
  #queue: Waiting[] = [];
  #next = 0;
  #broken: Error | undefined;

  constructor(request: PlanRequest, threads: number) {
    const { url, execArgv } = entry('plans/planner/sp4/tuning-worker');
    for (let i = 0; i < threads; i++) {
      const worker = new Worker(url, { workerData: request, execArgv: [...execArgv], name: `planner-${i}` });
      worker.on('message', (reply: TuningReply) => this.#settle(worker, reply));
      worker.on('error', (error: Error) => this.#break(error));
      worker.on('exit', (code) => this.#break(new Error(`a planner thread ended with exit code ${code}`)));
      this.#workers.push(worker);
      this.#idle.push(worker);
    }
  }

  answer(jobs: readonly TuningJob[]): Promise<readonly TuningAnswer[]> {
    const answers = jobs.map(
      (job) =>
        new Promise<TuningAnswer>((resolve, reject) => {
          if (this.#broken === undefined) this.#queue.push({ job, resolve, reject });
          else reject(this.#broken);
        }),
    );
    this.#feed();
    return Promise.all(answers);
  }

  async close(): Promise<void> {
    for (const worker of this.#workers) worker.removeAllListeners();
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  #feed(): void {
    while (this.#next < this.#queue.length) {
      const worker = this.#idle.pop();
      if (worker === undefined) return;
      const waiting = this.#queue[this.#next++];
      this.#running.set(worker, waiting);
      worker.postMessage(waiting.job);
    }
    this.#queue = [];
    this.#next = 0;
  }

  #settle(worker: Worker, { answer, failure }: TuningReply): void {
    const waiting = this.#running.get(worker);
    this.#running.delete(worker);
    this.#idle.push(worker);
    this.#feed();
    if (answer === undefined) waiting?.reject(new Error(failure));
    else waiting?.resolve(answer);
  }

  #break(error: Error): void {
    this.#broken ??= error;
    for (const waiting of [...this.#running.values(), ...this.#queue.slice(this.#next)]) waiting.reject(this.#broken);
    this.#running.clear();
    this.#queue = [];
    this.#next = 0;
  }
}
