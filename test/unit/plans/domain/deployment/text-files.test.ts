import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { readTrace } from '../../../../../plans/commands/options.ts';
import { loadDeployment } from '../../../../../plans/domain/deployment/read-deployment.ts';
import { draftDeployment } from '../../../../../plans/draft/draft-deployment.ts';
import { onnxModel } from '../../../../fixtures/onnx-writer.ts';

const dir = mkdtempSync(join(tmpdir(), 'cascade-texts-'));
afterAll(() => rmSync(dir, { recursive: true }));

function write(name: string, content: Uint8Array | string): string {
  const file = join(dir, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}

const latin1 = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const refusal = (file: string, line: number): string => `${file} is not text in UTF-8 (line ${line}); save it as UTF-8`;

it('a deployment and a trace must be UTF-8', () => {
  const deployment = write('deployment.yaml', latin1('name: d\nclasses: [rot, gr\xfcn]\n'));
  expect(() => loadDeployment(deployment)).toThrow(refusal(deployment, 2));
  const trace = write('trace.csv', latin1('second,qps\n0,1\xa0\n'));
  expect(() => readTrace(trace, '--trace ')).toThrow(`--trace ${refusal(trace, 2)}`);
});

it("so must a Triton model's configuration and names of classes", async () => {
  const input = { name: 'x', type: 'float32', shape: ['n', 2] } as const;
  const output = { name: 'scores', type: 'float32', shape: ['n', 2] } as const;
  write('triton/m/1/model.onnx', onnxModel({ inputs: [input], outputs: [output], weights: [], nodes: [] }));
  write('triton/m/config.pbtxt', 'name: "m"\noutput { name: "scores" label_filename: "names.txt" }\n');
  const names = write('triton/m/names.txt', latin1('rot\ngr\xfcn\n'));
  await expect(draftDeployment(join(dir, 'triton'))).rejects.toThrow(refusal(names, 2));
  const config = write('triton/m/config.pbtxt', latin1('name: "m"\n# gr\xfcn\n'));
  await expect(draftDeployment(join(dir, 'triton'))).rejects.toThrow(refusal(config, 2));
});
