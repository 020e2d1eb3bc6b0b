import type { DeviceState, PreparedMessage } from '../../plans/protocol/control-messages.ts';
import { DEVICE_LOST_AFTER_MS } from '../frontend/router.ts';

/** A device, according to its last heartbeat. */
export interface LiveDevice {
  readonly host: string;
  readonly phase: DeviceState['phase'];
  readonly incarnation: string;
  readonly seenAt: number;
}

/** The result of a plan change, or the reason why it did not start. */
export type Verdict =
  | { readonly accepted: true; readonly revision: number }
  | { readonly accepted: false; readonly reason: string };

/** The first phase of a plan change: every device on which the plan places replicas must report that they are loaded and warm. */
export class PlanChange {
  readonly revision: number;
  /** Devices that have not answered yet -> the incarnation that was asked. */
  readonly #waiting = new Map<string, string>();
  readonly #timeoutMs: number;
  readonly #startedAt: number;
  #problem: string | undefined;

  constructor(
    revision: number,
    devices: readonly string[],
    live: ReadonlyMap<string, LiveDevice>,
    times: { now: number; timeoutMs: number },
  ) {
    this.revision = revision;
    this.#startedAt = times.now;
    this.#timeoutMs = times.timeoutMs;
    for (const device of devices) {
      const found = live.get(device);
      if (found !== undefined && found.phase === 'ready' && !isSilent(found, times.now))
        this.#waiting.set(device, found.incarnation);
      else
        this.#problem ??= `device ${device} is not available${found === undefined ? '' : `: it is ${describe(found, times.now)}`}`;
    }
  }

  prepared({ revision, device, incarnation, problem }: PreparedMessage): void {
    if (revision !== this.revision || this.#waiting.get(device) !== incarnation) return;
    if (problem === undefined) this.#waiting.delete(device);
    else this.#problem ??= problem;
  }

  /** Undefined while devices are still preparing. */
  verdict(live: ReadonlyMap<string, LiveDevice>, now: number): Verdict | undefined {
    for (const [device, incarnation] of this.#waiting) {
      const found = live.get(device);
      if (found?.incarnation !== incarnation || found.phase !== 'ready' || isSilent(found, now)) {
        const what =
          found === undefined ? 'was lost' : found.incarnation === incarnation ? describe(found, now) : 'was restarted';
        this.#problem ??= `device ${device}${found === undefined ? '' : ` on host ${found.host}`} ${what} while preparing the plan`;
      }
    }
    if (this.#problem !== undefined) return { accepted: false, reason: this.#problem };
    if (this.#waiting.size === 0) return { accepted: true, revision: this.revision };
    if (now - this.#startedAt < this.#timeoutMs) return undefined;
    const names = [...this.#waiting.keys()].join(', ');
    return { accepted: false, reason: `device ${names} did not prepare the plan within ${this.#timeoutMs} ms` };
  }
}

export function isSilent({ seenAt }: LiveDevice, now: number): boolean {
  return now - seenAt >= DEVICE_LOST_AFTER_MS;
}

function describe(device: LiveDevice, now: number): string {
  return isSilent(device, now) ? `silent for ${Math.round(now - device.seenAt)} ms` : device.phase;
}
