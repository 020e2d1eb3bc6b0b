/**
 * What can happen in the simulator. At equal times timers go first, in the order in which they were set, then audits, gears, frames
 * and notes. That is the order of the actors when messages take no time: messages come after timers, in the order of their causes.
 */
export const WAIT_OVER = 0;
export const BATCH_DONE = 1;
/** Another device has drawn an answer to be audited. */
export const AUDIT_ARRIVES = 2;
export const GEAR_APPLIES = 4;
export const FRAME_ARRIVES = 6;
/** As GEAR_APPLIES, of a gear that was chosen upon what a device said in the course of a batch's end: after the batch's frames. */
export const GEAR_FOLLOWS = 7;
export const DONE_NOTE = 8;

/** Kinds that differ in the lowest bit only share a place in the order of an instant. */
const PRIORITY_STEP = 2 ** 49;

/**
 * Pending events: a binary min-heap on typed arrays with the total order (time, priority of the kind, insertion sequence). `pop` leaves the
 * event in the fields, so that nothing is allocated per event.
 */
export class EventQueue {
  #times = new Float64Array(64);
  #orders = new Float64Array(64);
  #subjects = new Int32Array(64);
  #heads = new Int32Array(64);
  #size = 0;
  #nextSequence = 0;

  /** Of the event last popped. */
  timeMs = 0;
  kind = 0;
  subject = 0;
  head = 0;
  sequence = 0;

  get size(): number {
    return this.#size;
  }

  /** Time of the next event; Infinity without one. */
  get nextMs(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : this.#times[0];
  }

  clear(): void {
    this.#size = 0;
    this.#nextSequence = 0;
  }

  /** The place in the order of insertion that an event gets which is pushed later. */
  takeSequence(): number {
    return this.#nextSequence++;
  }

  /**
   * @param subject device, replica or gear, by kind.
   * @param head first request of a frame's linked list; of audits, their request; unused otherwise.
   * @param sequence by default the next one.
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

  /** Takes the first event into the fields. The queue must not be empty. */
  pop(): void {
    const times = this.#times;
    const orders = this.#orders;
    this.timeMs = times[0];
    const priority = Math.floor(orders[0] / PRIORITY_STEP);
    const place = orders[0] - priority * PRIORITY_STEP;
    const sequence = Math.floor(place / 2);
    // Not by `%`, which is slow on numbers beyond 32 bits.
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
