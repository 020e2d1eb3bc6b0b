import { LOOK_AHEAD } from '../policy/batch-key.ts';

const NONE = -1;

/**
 * The queues of all replicas, numbered model * devices + device. Requests are numbers; a queue, like a batch or a frame, is a linked
 * list through `next`, so that nothing is allocated. The simulator reads the arrays, and uses `next` for its own lists too.
 */
export class RequestQueues {
  // Per request.
  next = new Int32Array(0);
  enqueuedAt = new Float64Array(0);

  // Per replica.
  readonly head: Int32Array;
  readonly length: Int32Array;
  readonly #tail: Int32Array;

  /** Per device: requests in all its queues. */
  readonly queued: Int32Array;

  constructor(models: number, devices: number) {
    this.head = new Int32Array(models * devices);
    this.length = new Int32Array(models * devices);
    this.#tail = new Int32Array(models * devices);
    this.queued = new Int32Array(devices);
  }

  reset(requests: number): void {
    if (requests > this.next.length) {
      this.next = new Int32Array(requests);
      this.enqueuedAt = new Float64Array(requests);
    }
    this.head.fill(NONE);
    this.length.fill(0);
    this.#tail.fill(NONE);
    this.queued.fill(0);
  }

  /** @param device of the replica. */
  push(replica: number, device: number, request: number, now: number): void {
    this.enqueuedAt[request] = now;
    this.next[request] = NONE;
    this.queued[device]++;
    if (this.length[replica]++ === 0) this.head[replica] = request;
    else this.next[this.#tail[replica]] = request;
    this.#tail[replica] = request;
  }

  /** Removes the first `count` requests from a queue that has at least as many. @returns the first; the others follow it. */
  shift(replica: number, device: number, count: number): number {
    const head = this.head[replica];
    let last = head;
    for (let k = 1; k < count; k++) last = this.next[last];
    this.head[replica] = this.next[last];
    this.length[replica] -= count;
    this.queued[device] -= count;
    this.next[last] = NONE;
    return head;
  }

  /**
   * Removes the first request in a queue and others that may share its batch, which may be further back, one by one until `take` returns
   * that it was the last. The actors' RequestQueue does the same.
   * @param batchKeyOf per sample.
   * @param sampleOf per request.
   */
  takeCompatible(
    replica: number,
    device: number,
    batchKeyOf: Int32Array,
    sampleOf: Int32Array,
    take: (request: number) => 'more' | 'last',
  ): void {
    const batchKey = batchKeyOf[sampleOf[this.head[replica]]];
    let before = NONE;
    let passedOver = 0;
    for (let request = this.head[replica]; request !== NONE && passedOver < LOOK_AHEAD; ) {
      const following = this.next[request];
      if (batchKeyOf[sampleOf[request]] !== batchKey) {
        before = request;
        passedOver++;
      } else {
        if (before === NONE) this.head[replica] = following;
        else this.next[before] = following;
        if (request === this.#tail[replica]) this.#tail[replica] = before;
        this.next[request] = NONE;
        this.length[replica]--;
        this.queued[device]--;
        if (take(request) === 'last') return;
      }
      request = following;
    }
  }

  /** The requests in a list, in order. */
  listFrom(head: number): number[] {
    const requests: number[] = [];
    for (let request = head; request !== NONE; request = this.next[request]) requests.push(request);
    return requests;
  }
}
