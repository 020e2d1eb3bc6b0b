import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom } from 'rxjs';
import { SUBJECT_TOKEN } from '../../engine/actor/subject.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { parseServerUrls } from '../../engine/bus/server-urls.ts';
import { CascadeError, ConfigError, CredentialsRejected, messageOf } from '../../engine/errors.ts';
import type { Deployment } from '../../plans/domain/deployment/deployment.ts';
import { parsePlan, readPlan } from '../../plans/domain/gear-plan/plan-file.ts';
import { parsePinOrder } from '../../plans/protocol/pin-order.ts';
import { describePin, pinGear } from '../operator/pin-gear.ts';
import { type PlanOrder, pushPlan } from '../operator/push-plan.ts';
import { connectTo } from '../processes/connect.ts';
import { natsEnvironment } from '../processes/nats-url.ts';
import { replanChild } from '../processes/replan-child.ts';

/** An operator's NATS credentials; both empty when the servers need none. */
export interface Credentials {
  readonly user: string;
  readonly password: string;
}

export interface ActionOutcome {
  readonly status: 200 | 400 | 401 | 409 | 503;
  readonly text: string;
}

/** Operator actions: the requests on `.control.plan` and `.control.pin`, each over the operator's own connection. */
export class Operator {
  readonly #deployment: Deployment;
  readonly #servers: readonly string[];
  readonly #ownServers: readonly string[];
  #planning = false;

  constructor(deployment: Deployment, servers: readonly string[]) {
    this.#deployment = deployment;
    // Credentials in the URLs are ours, not the operator's.
    this.#servers = parseServerUrls(servers).servers;
    this.#ownServers = servers;
  }

  rollback(credentials: Credentials, revision: number | true): Promise<ActionOutcome> {
    return this.#order(credentials, () => ({ rollback: revision }));
  }

  push(credentials: Credentials, plan: string): Promise<ActionOutcome> {
    return this.#order(credentials, () => parsePlan(plan, 'the plan'));
  }

  /** Plans for the measured load, like `cascade replan`, and puts that plan in force. */
  async replan(credentials: Credentials): Promise<ActionOutcome> {
    if (this.#planning) return { status: 409, text: 'a plan for the measured load is already being made' };
    this.#planning = true;
    try {
      return await this.#replan(credentials);
    } finally {
      this.#planning = false;
    }
  }

  #replan(credentials: Credentials): Promise<ActionOutcome> {
    return this.#order(credentials, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'cascade-replan-'));
      try {
        const out = join(folder, 'plan.json');
        await lastValueFrom(replanChild([this.#deployment.file, '--out', out], natsEnvironment(this.#ownServers.join(','))));
        return readPlan(out);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  }

  /** @param order as JSON: see `PinOrder`. */
  pin(credentials: Credentials, order: Uint8Array): Promise<ActionOutcome> {
    return this.#as(credentials, async (bus) => {
      const verdict = await pinGear(bus, this.#deployment, parsePinOrder(order));
      return verdict.accepted
        ? { status: 200, text: describePin(verdict) }
        : { status: 409, text: `rejected: ${verdict.reason}` };
    });
  }

  #order(credentials: Credentials, orderOf: () => PlanOrder | Promise<PlanOrder>): Promise<ActionOutcome> {
    return this.#as(credentials, async (bus) => {
      const verdict = await pushPlan(bus, this.#deployment, await orderOf());
      return verdict.accepted
        ? { status: 200, text: `revision ${verdict.revision} is in force` }
        : { status: 409, text: `rejected: ${verdict.reason}` };
    });
  }

  /** Over a connection of the operator's own. */
  async #as(credentials: Credentials, act: (bus: Bus) => Promise<ActionOutcome>): Promise<ActionOutcome> {
    const inboxPrefix = this.#inboxPrefixOf(credentials.user);
    if (inboxPrefix !== undefined && !SUBJECT_TOKEN.test(credentials.user)) {
      const text = 'the user gets an inbox of that name (nats.inboxPrefix): use at most 64 letters, digits, _ and -';
      return { status: 400, text };
    }
    let bus: Bus;
    try {
      bus = await this.#connect(credentials, inboxPrefix);
    } catch (error) {
      if (error instanceof CredentialsRejected) return { status: 401, text: `NATS rejected this user: ${error.message}` };
      return { status: 503, text: messageOf(error) };
    }
    try {
      return await act(bus);
    } catch (error) {
      if (error instanceof ConfigError) return { status: 400, text: error.message };
      return { status: error instanceof CascadeError && error.code === 'INVALID_ARGUMENT' ? 400 : 503, text: messageOf(error) };
    } finally {
      await bus.close();
    }
  }

  /** If each role has its own inbox, it is named after the role (conf/nats/roles.conf). */
  #inboxPrefixOf(user: string): string | undefined {
    return this.#deployment.nats.inboxPrefix === undefined || user === '' ? undefined : `_INBOX.${user}`;
  }

  /** @throws CredentialsRejected; ConfigError for any other reason. */
  async #connect({ user, password }: Credentials, inboxPrefix: string | undefined): Promise<Bus> {
    const { nats, name } = this.#deployment;
    const own = { user: undefined, password: undefined, token: undefined, credsFile: undefined, nkeyFile: undefined };
    return connectTo(this.#servers, { ...nats, ...own, inboxPrefix: undefined }, `cascade-${name}-operator`, {
      ...(user === '' ? {} : { user, password }),
      ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
    });
  }
}
