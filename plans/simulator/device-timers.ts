import { type EventQueue, WAIT_OVER } from './event-queue.ts';

const NEVER = Number.POSITIVE_INFINITY;

/**
 * One timer per device: when the first of its queues will have waited long enough. Timers are set anew with almost every
 * request and few ever run out, so that an event per setting would flood the queue: one event per device, its alarm, stays
 * there and is put off when it comes too early.
 */
export class DeviceTimers {
  readonly #events: EventQueue;
  readonly #dueMs: Float64Array;
  /** The timer's place among the events of its instant: that of its last setting. */
  readonly #sequence: Float64Array;
  /** Time of the device's alarm in the queue, at or before the timer's. */
  readonly #alarmMs: Float64Array;

  constructor(events: EventQueue, devices: number) {
    this.#events = events;
    this.#dueMs = new Float64Array(devices);
    this.#sequence = new Float64Array(devices);
    this.#alarmMs = new Float64Array(devices);
  }

  reset(): void {
    this.#dueMs.fill(NEVER);
    this.#alarmMs.fill(NEVER);
  }

  set(device: number, dueMs: number): void {
    this.#dueMs[device] = dueMs;
    this.#sequence[device] = this.#events.takeSequence();
    if (dueMs < this.#alarmMs[device]) this.#pushAlarm(device);
  }

  clear(device: number): void {
    this.#dueMs[device] = NEVER;
  }

  /** The device's WAIT_OVER event is the one last popped: whether its timer has run out. It is cleared then, else put off. */
  ranOut(device: number): boolean {
    const now = this.#events.timeMs;
    // An alarm that an earlier one has replaced.
    if (this.#alarmMs[device] !== now) return false;
    this.#alarmMs[device] = NEVER;
    const dueMs = this.#dueMs[device];
    if (dueMs === NEVER) return false;
    if (dueMs === now && this.#sequence[device] === this.#events.sequence) {
      this.#dueMs[device] = NEVER;
      return true;
    }
    this.#pushAlarm(device);
    return false;
  }

  #pushAlarm(device: number): void {
    this.#alarmMs[device] = this.#dueMs[device];
    this.#events.push(this.#dueMs[device], WAIT_OVER, device, 0, this.#sequence[device]);
  }
}
