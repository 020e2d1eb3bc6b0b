import type { DeviceState } from '../../plans/protocol/control-messages.ts';

/** Heartbeats come several times a second; a busy machine alone does not delay one by this much. */
const SILENT_MS = 3_000;

/**
 * Whether the deployment can serve: it has answered a warm-up sample, NATS is connected, and there are heartbeats of at least one
 * frontend and one warm device.
 */
export class Readiness {
  #connected = false;
  #draining = false;

  #verified: { readonly problem: string | undefined } = { problem: 'no answer to a warm-up sample yet' };
  /** When each last sent a heartbeat; undefined when we are not allowed to read them. */
  #lastSeen: { readonly devices: Map<string, number>; readonly frontends: Map<string, number> } | undefined = {
    devices: new Map(),
    frontends: new Map(),
  };

  get draining(): boolean {
    return this.#draining;
  }

  onStatus(status: 'up' | 'down'): void {
    this.#connected = status === 'up';
  }

  onDraining(): void {
    this.#draining = true;
  }

  /** @param problem why the warm-up sample was not answered; undefined if it was. */
  onProbe(problem: string | undefined): void {
    this.#verified = { problem };
  }

  onState({ device, phase }: Pick<DeviceState, 'device' | 'phase'>, now: number): void {
    if (phase === 'ready') this.#lastSeen?.devices.set(device, now);
    else this.#lastSeen?.devices.delete(device);
  }

  onLoad(frontend: string, now: number): void {
    this.#lastSeen?.frontends.set(frontend, now);
  }

  /** We may not read heartbeats, so only the probe counts. */
  onHeartbeatsDenied(): void {
    this.#lastSeen = undefined;
  }

  /** Why the deployment is not ready; undefined: it is. */
  problem(now: number): string | undefined {
    if (this.#draining) return 'the gateway is draining';
    if (!this.#connected) return 'there is no connection to NATS';
    if (this.#verified.problem !== undefined) return this.#verified.problem;
    if (this.#lastSeen === undefined) return undefined;
    if (!someSince(this.#lastSeen.frontends, now - SILENT_MS)) return 'no frontend sends heartbeats';
    if (!someSince(this.#lastSeen.devices, now - SILENT_MS)) return 'no warmed-up device sends heartbeats';
    return undefined;
  }
}

/** Forgets older entries. */
function someSince(lastSeen: Map<string, number>, since: number): boolean {
  for (const [name, at] of lastSeen) if (at < since) lastSeen.delete(name);
  return lastSeen.size > 0;
}
