/**
 * Events in the simulator. At equal times, timers go first, in the order in which they were set, then audits, gears, frames and notes.
 * The actors have the same order when messages take no time: messages come after timers, in the order of their causes.
 */
export const WAIT_OVER = 0;
export const BATCH_DONE = 1;
/** Another device has drawn an answer to be audited. */
export const AUDIT_ARRIVES = 2;
export const GEAR_APPLIES = 4;
export const FRAME_ARRIVES = 6;
/** Like GEAR_APPLIES, for a gear chosen because of what a device reported while its batch ended: it comes after the batch's frames. */
export const GEAR_FOLLOWS = 7;
export const DONE_NOTE = 8;

/** Kinds that differ only in the lowest bit have the same priority. */
const PRIORITY_STEP = 2 ** 49;

/**
 * Pending events: a binary min-heap on typed arrays with a total order (time, priority of the kind, insertion sequence). `pop` leaves
 * the event in the fields, so that nothing is allocated per event.
 */
export class EventQueue {
  #times = new Float64Array(64);
  #orders = new Float64Array(64);
  #subjects = new Int32Array(64);
  #heads = new Int32Array(64);
  #size = 0;
  #nextSequence = 0;

  /** The event that was popped last. */
  timeMs = 0;
  kind = 0;
  subject = 0;
  head = 0;
  sequence = 0;

  get size(): number {
    return this.#size;
  }

  /** Time of the next event; Infinity when there is none. */
  get nextMs(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : this.#times[0];
  }

  clear(): void {
    this.#size = 0;
    this.#nextSequence = 0;
  }

  /** Reserves a place in the insertion order for an event that is pushed later. */
  takeSequence(): number {
    return this.#nextSequence++;
  }

  /**
   * @param subject device, replica or gear, depending on the kind.
   * @param head first request in a frame's linked list; the request of an audit; unused otherwise.
   * @param sequence default: the next one.
   */
  push(timeMs: number, kind: number, subject: number, head: number, sequence = this.#nextSequence++): void {
    if (this.#size === this.#times.length) this.#grow();
    const times = this.#times;
    const orders = this.#orders;
    const order = (kind >> 1) * PRIORITY_STEP + 2 * sequence + (kind & 1);
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (times[parent] < timeMs || (times[parent] === timeMs && orders[parent] < order)) break;
      this.#move(parent, at);
      at = parent;
    }
    times[at] = timeMs;
    orders[at] = order;
    this.#subjects[at] = subject;
    this.#heads[at] = head;
  }

  /** Moves the first event into the fields. The queue must not be empty. */
  pop(): void {
    const times = this.#times;
    const orders = this.#orders;
    this.timeMs = times[0];
    const priority = Math.floor(orders[0] / PRIORITY_STEP);
    const place = orders[0] - priority * PRIORITY_STEP;
    const sequence = Math.floor(place / 2);
    // `%` is slow for numbers beyond 32 bits.
    this.kind = 2 * priority + place - 2 * sequence;
    this.sequence = sequence;
    this.subject = this.#subjects[0];
    this.head = this.#heads[0];
    const last = --this.#size;
    if (last === 0) return;
    const time = times[last];
    const order = orders[last];
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= last) break;
      const other = child + 1;
      if (other < last && (times[other] < times[child] || (times[other] === times[child] && orders[other] < orders[child])))
        child = other;
      if (time < times[child] || (time === times[child] && order < orders[child])) break;
      this.#move(child, at);
      at = child;
    }
    this.#move(last, at);
  }

  #move(from: number, to: number): void {
    this.#times[to] = this.#times[from];
    this.#orders[to] = this.#orders[from];
    this.#subjects[to] = this.#subjects[from];
    this.#heads[to] = this.#heads[from];
  }

  #grow(): void {
    const size = this.#times.length * 2;
    const [times, orders, subjects, heads] = [this.#times, this.#orders, this.#subjects, this.#heads];
    this.#times = new Float64Array(size);
    this.#orders = new Float64Array(size);
    this.#subjects = new Int32Array(size);
    this.#heads = new Int32Array(size);
    this.#times.set(times);
    this.#orders.set(orders);
    this.#subjects.set(subjects);
    this.#heads.set(heads);
  }
}
