import type { Channel } from '../../engine/actor/channel.ts';
import { CHANNELS } from './channels.ts';

const DELIVERY = {
  all: 'every subscriber',
  group: 'one of a queue group',
  owner: 'the process that owns the subject',
  request: 'whoever answers',
} as const satisfies Readonly<Record<Channel['delivery'], string>>;

/** docs/channels.md, generated from the declarations; a test compares the file with this. */
export function channelsPage(): string {
  return `# Channels

Subjects and their messages, below \`<prefix>.<deployment>\` (such as \`cascade.fashion\`). \`<name>\` in a subject is one token. \`client\` and
\`operator\` are the users of \`conf/nats\`: they may publish and subscribe only where this page names them.
[wire.md](wire.md) has requests and answers in full. Messages are MessagePack; the examples show them as JSON.

| subject | from | to | delivery | |
|---|---|---|---|---|
${Object.values(CHANNELS).map(row).join('\n')}

${Object.values(CHANNELS).map(section).join('\n')}
This page is generated from \`plans/protocol/channels.ts\`: run \`npx vitest run test/unit/plans/protocol -u\` to update it.
`;
}

type Declared = (typeof CHANNELS)[keyof typeof CHANNELS];

function row({ pattern, from, to, delivery, about }: Declared): string {
  return `| \`.${pattern}\` | ${from.join(', ')} | ${to.join(', ')} | ${DELIVERY[delivery]} | ${about} |`;
}

function section({ pattern, example }: Declared): string {
  const value =
    example instanceof Uint8Array ? (example.length === 0 ? undefined : JSON.parse(Buffer.from(example).toString())) : example;
  return value === undefined ? '' : `## .${pattern}\n\n\`\`\`json\n${JSON.stringify(value, null, 2)}\n\`\`\`\n`;
}
