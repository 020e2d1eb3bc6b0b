import { Worker } from 'node:worker_threads';
import { monotonicMs } from '../../engine/clock.ts';
import { entry } from '../../engine/source.ts';
import { SENT, type SenderNews, type SenderOrder, type SenderSettings, STOP } from './sender-protocol.ts';

/** By then, the start order has reached the thread. */
const LEAD_MS = 20;

/** Notifications of the sender: see `SenderNews`. */
export interface SenderEvents {
  unsent(request: number): void;
  nobody(request: number): void;
  reconnected(): void;
}

/** A thread that sends a load. */
export class LoadSender {
  readonly #worker: Worker;
  readonly #control = new Int32Array(new SharedArrayBuffer(8));
  readonly #ready: Promise<void>;
  readonly #exited: Promise<void>;
  /** Resolves when it has sent everything or was stopped; rejects when it cannot connect, or dies. */
  readonly done: Promise<void>;

  constructor(settings: Omit<SenderSettings, 'control'>, on: SenderEvents) {
    const { url, execArgv } = entry('actors/load/sender-worker');
    const workerData: SenderSettings = { ...settings, control: this.#control };
    this.#worker = new Worker(url, { workerData, execArgv: [...execArgv], name: 'load-sender' });
    this.#ready = this.#news('ready');
    this.done = this.#news('done');
    this.#exited = new Promise((resolve) => this.#worker.once('exit', () => resolve()));
    this.#worker.on('message', (news: SenderNews) => {
      if (news.type === 'unsent') on.unsent(news.request);
      else if (news.type === 'nobody') on.nobody(news.request);
      else if (news.type === 'reconnected') on.reconnected();
    });
  }

  /** Number of requests sent so far. */
  get sent(): number {
    return Atomics.load(this.#control, SENT);
  }

  /** Starts sending. @returns when: see `monotonicMs`. */
  async begin(): Promise<number> {
    await this.#ready;
    const beginMs = monotonicMs() + LEAD_MS;
    this.#order({ type: 'begin', beginMs });
    return beginMs;
  }

  /** Whether to report when nobody listens: see `SenderOrder`. */
  listen(on: boolean): void {
    this.#order({ type: 'listen', on });
  }

  /** Requests that have not been sent by now are dropped. */
  stop(): void {
    Atomics.store(this.#control, STOP, 1);
    Atomics.notify(this.#control, STOP);
  }

  /** Ends the thread, even one that waits to start. */
  async close(): Promise<void> {
    this.stop();
    this.#order({ type: 'close' });
    await this.#exited;
  }

  #order(order: SenderOrder): void {
    this.#worker.postMessage(order);
  }

  #news(type: SenderNews['type']): Promise<void> {
    const promise = new Promise<void>((resolve, reject) => {
      this.#worker.on('message', (news: SenderNews) => {
        if (news.type === type) resolve();
      });
      this.#worker.once('error', reject);
      this.#worker.once('exit', (code) => reject(new Error(`the sending thread exited with code ${code}`)));
    });
    // Awaiting code gets the rejection; until then it must not count as unhandled.
    promise.catch(() => undefined);
    return promise;
  }
}
