import type { DeviceState } from '../../plans/protocol/control-messages.ts';

/** Heartbeats of a process that has ended, or had been paused, may still come, all at once: a rival is heard for longer than that. */
const HEARD_FOR_MS = 250;

/**
 * Who stays when two processes run one device: they were started in the same instant, or one was away (paused, cut off) and has been
 * replaced meanwhile. Each hears the other's heartbeats and comes to the same conclusion, without clocks that agree and without a
 * store: the one that was away less often stays, of two alike the one whose claim comes first. All devices that one `serve` runs have
 * one claim, so that it keeps all of them or none.
 */
export class DeviceClaim {
  readonly id: string;
  #absences = 0;
  #rival: { readonly id: string; readonly heardSince: number } | undefined;

  constructor(id: string) {
    this.id = id;
  }

  /** How often this process was away for so long that it may have been replaced. */
  get absences(): number {
    return this.#absences;
  }

  /** This process was paused or cut off; what it has heard of others is old. */
  away(): void {
    this.#absences++;
    this.#rival = undefined;
  }

  /**
   * Takes in a heartbeat of this device.
   * @param ready whether this process serves it: if so it waits until the other one does.
   * @returns true when it is another process's, and this one has to leave.
   */
  losesTo({ claim, absences, phase }: DeviceState, ready: boolean, now: number): boolean {
    if (claim === this.id || phase === 'left' || phase === 'draining') return false;
    if (this.#rival?.id !== claim) this.#rival = { id: claim, heardSince: now };
    if (now - this.#rival.heardSince < HEARD_FOR_MS) return false;
    if (ready && phase !== 'ready') return false;
    return this.#absences === absences ? claim < this.id : absences < this.#absences;
  }
}
