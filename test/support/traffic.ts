import type { CascadeClient } from '../../actors/client/client.ts';
import type { Profile } from '../../plans/domain/profile/profile.ts';
import { type Answer, isFailure } from '../../plans/protocol/messages.ts';

const TICK_MS = 20;
const REMEMBERED = 200;

/**
 * Open-loop load on a synthetic deployment that checks each answer against its request: the sample determines the record that must
 * have been read.
 */
export class Traffic {
  offered = 0;
  /** How often the client reported the end of each request; it promises once. */
  readonly ended = new Map<number, number>();
  readonly failures = new Map<string, number>();
  /** Descriptions of results that belong to another request. */
  readonly wrong: string[] = [];
  results = 0;
  /** For the last requests to end: whether they got a result. */
  #recent: boolean[] = [];
  readonly #timer: NodeJS.Timeout;
  readonly #client: CascadeClient;
  readonly #profile: Profile;
  readonly #under = new Set<Promise<void>>();

  /** @param load requests per second, or a function that returns how many to send by a time in seconds. */
  constructor(client: CascadeClient, profile: Profile, load: number | ((seconds: number) => number)) {
    const dueBy = typeof load === 'number' ? (seconds: number) => load * seconds : load;
    this.#client = client;
    this.#profile = profile;
    const startedAt = performance.now();
    this.#timer = setInterval(() => {
      const due = dueBy((performance.now() - startedAt) / 1_000);
      while (this.offered < due) this.#send(this.offered++);
    }, TICK_MS);
  }

  /** Whether enough requests have ended since the last `forget`, all of them with results. */
  get healthy(): boolean {
    return this.#recent.length === REMEMBERED && this.#recent.every((good) => good);
  }

  /** Excludes the requests that have ended so far from `healthy`. */
  forget(): void {
    this.#recent = [];
  }

  /** Stops sending; resolves once all requests have ended. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#under);
  }

  #send(number: number): void {
    const index = Int32Array.of(number);
    const request = { inputs: { sample: new Uint8Array(index.buffer) }, deadlineMs: 20_000 };
    const ending = new Promise<void>((resolve) => {
      this.#client.inferMany([request]).subscribe({
        next: (answer) => this.#note(number, answer),
        complete: resolve,
      });
    });
    this.#under.add(ending);
    void ending.then(() => this.#under.delete(ending));
  }

  #note(number: number, answer: Answer): void {
    this.ended.set(number, (this.ended.get(number) ?? 0) + 1);
    this.#recent.push(!isFailure(answer));
    if (this.#recent.length > REMEMBERED) this.#recent.shift();
    if (isFailure(answer)) {
      const text = `${answer.error.code}: ${answer.error.message.replace(/\d+/g, 'n')}`;
      this.failures.set(text, (this.failures.get(text) ?? 0) + 1);
      return;
    }
    this.results++;
    const model = this.#profile.models.find(({ name }) => name === answer.model);
    const expected = model?.predictions[number % this.#profile.labels.length];
    if (answer.label !== expected) this.wrong.push(`request ${number}: ${answer.model} says ${answer.label}, not ${expected}`);
  }
}
