import { type EventQueue, WAIT_OVER } from './event-queue.ts';

const NEVER = Number.POSITIVE_INFINITY;

/**
 * One timer per device, which fires when the first of its queues has waited long enough. Almost every request resets a timer and few
 * ever fire, so an event per reset would flood the queue. Instead, each device has one event, its alarm, which stays in the queue and
 * is postponed when it comes too early.
 */
export class DeviceTimers {
  readonly #events: EventQueue;
  readonly #dueMs: Float64Array;
  /** The timer's place among events at the same time: that of its last reset. */
  readonly #sequence: Float64Array;
  /** Time of the device's alarm in the queue, not after the timer's. */
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

  /** Call when the device's WAIT_OVER event was popped. Returns whether its timer has fired, and clears it, or postpones the alarm. */
  ranOut(device: number): boolean {
    const now = this.#events.timeMs;
    // An earlier alarm has replaced this one.
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
