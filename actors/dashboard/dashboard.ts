import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename } from 'node:path';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { secureHeaders } from 'hono/secure-headers';
import { streamSSE } from 'hono/streaming';
import { exhaustMap, merge, Subject, takeUntil, tap } from 'rxjs';
import { z } from 'zod';
import type { Actor } from '../../engine/actor/actor.ts';
import { every } from '../../engine/clock.ts';
import { messageOf } from '../../engine/errors.ts';
import { packageRoot } from '../../engine/process/package-info.ts';
import type { DeploymentSlo } from '../../plans/domain/deployment/deployment.ts';
import type { Subjects } from '../../plans/protocol/subjects.ts';
import type { Status } from '../controller/status-report.ts';
import type { HttpAddress } from '../http/address.ts';
import { httpServer$ } from '../http/server.ts';
import { observeDeployment$ } from '../observer/observe-deployment.ts';
import { type Happening, Picture, type Second } from '../observer/picture.ts';
import { requestStatus } from '../operator/ask-status.ts';
import type { ActionOutcome, Credentials, Operator } from './operator.ts';
import { isSameOrigin } from './same-origin.ts';

/** What stays constant while a dashboard runs. */
interface About {
  readonly deployment: string;
  readonly slo: DeploymentSlo;
  readonly qpsMax: number;
}

export interface DashboardOptions {
  readonly subjects: Subjects;
  readonly about: About;
  readonly address: HttpAddress;
  readonly operator: Pick<Operator, 'push' | 'rollback' | 'replan' | 'pin'>;
  /** Called with the address it listens on. */
  readonly onReady: (url: string) => void;
}

/** Sent to the page each second. */
interface Update {
  readonly second: Second;
  readonly happenings: readonly Happening[];
  /** The last answer; null before the first. */
  readonly status: Status | null;
  /** Why it is outdated. */
  readonly problem: string | null;
}

/** Sent to a page first. */
interface Snapshot {
  readonly about: About;
  readonly seconds: readonly Second[];
  readonly happenings: readonly Happening[];
  readonly status: Status | null;
  readonly problem: string | null;
}

const SECOND_MS = 1_000;
/** A page that is opened shows the last ten minutes. */
const SECONDS_KEPT = 600;
/** Pages open at the same time. */
const MAX_PAGES = 100;
const PLAN_MAX_BYTES = 8 * 2 ** 20;

const CONTENT_TYPES = { html: 'text/html', css: 'text/css', js: 'text/javascript' } as const;
const FILES = { '/': 'index.html', '/page.css': 'page.css', '/page.js': 'page.js', '/charts.js': 'charts.js' } as const;

const RELEASE = Buffer.from('{"gear":null}');

const rollbackBody = z.strictObject({ revision: z.int().positive().optional() });

/** Serves a page that shows a running deployment, using server-sent events, and accepts operator actions. */
export function dashboardActor(options: DashboardOptions): Actor {
  const { subjects, about, address, onReady } = options;
  return {
    name: 'dashboard',
    description: 'shows the deployment in a browser',
    behaviour: ({ bus, clock, drops, stopping$ }) => {
      const picture = new Picture();
      const updates$ = new Subject<Update>();
      const seconds: Second[] = [];
      let status: Status | null = null;
      let problem: string | null = 'no answer yet';

      const endSecond = (): void => {
        const { second, happenings } = picture.second(clock.now());
        seconds.push(second);
        if (seconds.length > SECONDS_KEPT) seconds.shift();
        updates$.next({ second, happenings, status, problem });
      };

      const ask = async (): Promise<void> => {
        try {
          status = await requestStatus(bus, subjects);
          problem = null;
        } catch (error) {
          problem = messageOf(error);
        }
      };

      const snapshot = (): Snapshot => ({ about, seconds, happenings: picture.happenings, status, problem });

      return merge(
        observeDeployment$({ bus, clock, drops }, subjects, picture),
        every(clock, SECOND_MS).pipe(tap(endSecond)),
        every(clock, SECOND_MS).pipe(exhaustMap(ask)),
        httpServer$(dashboardApp(options, snapshot, updates$), address, '--dashboard').pipe(tap(({ url }) => onReady(url))),
      ).pipe(takeUntil(stopping$));
    },
  };
}

function dashboardApp({ operator, address }: DashboardOptions, snapshot: () => Snapshot, updates$: Subject<Update>): Hono {
  const app = new Hono();
  app.use(
    secureHeaders({ contentSecurityPolicy: { defaultSrc: ["'self'"], imgSrc: ["'self'", 'data:'], frameAncestors: ["'none'"] } }),
  );

  for (const [path, file] of Object.entries(FILES)) {
    const content = readFileSync(new URL(`actors/dashboard/page/${file}`, packageRoot()));
    app.get(path, (context) => served(context, content, file));
  }
  const require = createRequire(import.meta.url);
  for (const path of [require.resolve('uplot/dist/uPlot.esm.js'), require.resolve('uplot/dist/uPlot.min.css')]) {
    const content = readFileSync(path);
    const file = basename(path);
    app.get(`/${file}`, (context) => served(context, content, file));
  }

  let pages = 0;
  app.get('/stream', (context) => {
    // Hono answers HEAD like GET and drops the body, so that nothing would ever close the page.
    if (context.req.method === 'HEAD') return context.body(null, 200, { 'Content-Type': 'text/event-stream' });
    if (pages >= MAX_PAGES) return context.text(`${MAX_PAGES} pages are already open; close some`, 503);
    return streamSSE(context, async (stream) => {
      pages++;
      let behind = true;
      let writing = false;
      const write = async (update: Update | undefined): Promise<void> => {
        // A page that reads too slowly gets a new snapshot instead of old updates.
        if (writing) {
          behind = true;
          return;
        }
        writing = true;
        const [event, data] = behind || update === undefined ? ['snapshot', snapshot()] : ['second', update];
        behind = false;
        await stream.writeSSE({ event, data: JSON.stringify(data) });
        writing = false;
      };
      const closed = new Promise<void>((resolve) => stream.onAbort(resolve));
      const subscription = updates$.subscribe((update) => void write(update));
      try {
        await write(undefined);
        await closed;
      } finally {
        subscription.unsubscribe();
        pages--;
      }
    });
  });

  const actions = new Hono();
  actions.use(async (context, next) => {
    if (!isSameOrigin(context.req.header('Origin'), context.req.header('Host'), [address.host]))
      return context.json(
        { text: 'actions are accepted only from this page, opened by address, localhost, or the name of --dashboard' },
        403,
      );
    if (context.req.header('Content-Type')?.startsWith('application/json') !== true)
      return context.json({ text: 'Content-Type must be application/json' }, 415);
    return next();
  });
  actions.use(
    bodyLimit({ maxSize: PLAN_MAX_BYTES, onError: (context) => context.json({ text: 'the plan is larger than 8 MiB' }, 413) }),
  );
  const answer = async (context: Context, act: (credentials: Credentials) => Promise<ActionOutcome>): Promise<Response> => {
    const credentials = credentialsIn(context.req.header('Authorization'));
    if (credentials === undefined) return context.json({ text: 'send user and password as HTTP Basic credentials' }, 401);
    const { status, text } = await act(credentials);
    return context.json({ text }, status);
  };
  actions.post('/push', async (context) => {
    const plan = await context.req.text();
    return answer(context, (credentials) => operator.push(credentials, plan));
  });
  actions.post('/rollback', async (context) => {
    const body = rollbackBody.safeParse(await context.req.json().catch(() => undefined));
    if (!body.success) return context.json({ text: 'send {} for the previous plan, or {"revision": 3}' }, 400);
    return answer(context, (credentials) => operator.rollback(credentials, body.data.revision ?? true));
  });
  actions.post('/pin', async (context) => {
    const body = Buffer.from(await context.req.arrayBuffer());
    return answer(context, (credentials) => operator.pin(credentials, body));
  });
  actions.post('/unpin', (context) => answer(context, (credentials) => operator.pin(credentials, RELEASE)));
  actions.post('/replan', (context) => answer(context, (credentials) => operator.replan(credentials)));
  app.route('/actions', actions);
  app.get('/healthz', (context) => context.text('ok\n'));
  return app;
}

function served(context: Context, content: Buffer, file: string): Response {
  const type = file.endsWith('.css') ? CONTENT_TYPES.css : file.endsWith('.js') ? CONTENT_TYPES.js : CONTENT_TYPES.html;
  return context.body(new Uint8Array(content), 200, { 'Content-Type': `${type}; charset=utf-8`, 'Cache-Control': 'no-cache' });
}

/** From HTTP Basic; undefined when there are none, or they are malformed. */
function credentialsIn(header: string | undefined): Credentials | undefined {
  const encoded = /^Basic ([A-Za-z0-9+/=]+)$/.exec(header ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString();
  const colon = text.indexOf(':');
  return colon === -1 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}
