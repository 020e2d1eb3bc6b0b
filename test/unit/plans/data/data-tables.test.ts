import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, describe, expect, it } from 'vitest';
import { decodeStrings } from '../../../../engine/tensor/strings.ts';
import type { TensorSpec } from '../../../../engine/tensor/tensor.ts';
import { readCsv } from '../../../../plans/data/csv.ts';
import { readParquet } from '../../../../plans/data/parquet.ts';
import { type DataPaths, readSamples, type Samples } from '../../../../plans/data/read-samples.ts';
import { targetReader } from '../../../../plans/data/targets.ts';
import { npyFile } from '../../../fixtures/npy-writer.ts';

const dir = mkdtempSync(join(tmpdir(), 'cascade-tables-'));
afterAll(() => rmSync(dir, { recursive: true }));

function write(name: string, content: string | ArrayBuffer | Uint8Array): string {
  const file = join(dir, name);
  writeFileSync(file, typeof content === 'string' ? content : new Uint8Array(content));
  return file;
}

const X: TensorSpec = { name: 'x', dtype: 'float32', shape: [2], pad: 0 };
const CLASSES = ['ant', 'bee', 'cat'];

function read(data: Pick<DataPaths, 'inputs'> & Partial<DataPaths>, specs: readonly TensorSpec[] = [X]): Samples {
  return readSamples('d.yaml', { labels: undefined, ...data }, specs, targetReader('classification', CLASSES));
}

/** Two rows with lists of token ids, and labels. */
const LISTS = {
  columnData: [
    { name: 'ids', data: [[5, 6], [7]] },
    { name: 'label', data: [2, 0] },
  ],
  schema: [
    { name: 'root', num_children: 2 },
    { name: 'ids', num_children: 1, converted_type: 'LIST', repetition_type: 'OPTIONAL' },
    { name: 'list', num_children: 1, repetition_type: 'REPEATED' },
    { name: 'element', type: 'INT32', repetition_type: 'OPTIONAL' },
    { name: 'label', type: 'INT32', repetition_type: 'REQUIRED' },
  ],
} satisfies Parameters<typeof parquetWriteBuffer>[0];

/** The first input of each sample, and the labels. */
function firstInput({ columns: [column], targets }: Samples) {
  const values = Array.from({ length: column.count }, (_, i) => {
    const { data, shape } = column.tensor(i);
    return [shape, Array.from(new Float32Array(data.slice().buffer))];
  });
  return { values, labels: targets?.values };
}

describe('readCsv', () => {
  it('distinguishes numbers from texts; empty cells, true and false are numbers', () => {
    expect(readCsv('a,b,c\n1,x,true\n,"y, z",false\n', 't.csv')).toMatchObject({
      count: 2,
      columns: [
        { type: 'numbers', name: 'a', values: Float64Array.of(1, Number.NaN) },
        { type: 'texts', name: 'b', values: ['x', 'y, z'] },
        { type: 'numbers', name: 'c', values: Float64Array.of(1, 0), isBoolean: true },
      ],
    });
  });

  it('reads cells of only spaces as empty', () => {
    const { columns } = readCsv('a,b\n 1 ,x\n  ,y\n\u00a0,z\n', 't.csv');
    expect(columns[0]).toMatchObject({ type: 'numbers', name: 'a', values: Float64Array.of(1, Number.NaN, Number.NaN) });
  });

  it.each([
    ['semicolons', 'a;b\n1;2\n', ['a', 'b'], 1],
    ['tabs', 'a\tb\n1\t2\n', ['a', 'b'], 1],
    ['no names', '1,2\n3,4\n', ['0', '1'], 2],
    ['no names, texts last', '5.1,3.5,setosa\n4.9,3,setosa\n', ['0', '1', '2'], 2],
    ['columns that pandas has counted', '0,1,2,label\n5,6,7,ant\n', ['0', '1', '2', 'label'], 1],
    ['one column', 'label\n1\n2\n', ['label'], 2],
    ['a byte order mark and Windows lines', '\ufeffa,b\r\n1,2\r\n', ['a', 'b'], 1],
  ])('reads %s', (_, text, names, count) => {
    const table = readCsv(text, 't.csv');
    expect(table.columns.map((column) => column.name)).toEqual(names);
    expect(table.count).toBe(count);
  });

  it.each([
    ['t.csv: row 3 has 1 cells, but the first row has 2', 'a,b\n1,2\n3\n'],
    ['t.csv: row 2: Quoted field unterminated', 'a,b\n"1,2\n'],
    ['t.csv has no rows', 'a,b\n'],
    ['t.csv has no rows', ''],
  ])('says "%s"', (message, text) => {
    expect(() => readCsv(text, 't.csv')).toThrow(message);
  });
});

describe('readParquet', () => {
  const columnData: Parameters<typeof parquetWriteBuffer>[0]['columnData'] = [
    { name: 'f', data: [1.5, null], type: 'DOUBLE' },
    { name: 'i', data: [7n, 8n], type: 'INT64' },
    { name: 'b', data: [true, false], type: 'BOOLEAN' },
    { name: 's', data: ['x', null], type: 'STRING' },
    { name: 'd', data: [new Date(0), new Date(1)], type: 'TIMESTAMP' },
  ];

  it.each(['UNCOMPRESSED', 'SNAPPY'] as const)('reads numbers and texts (%s)', (codec) => {
    const file = new Uint8Array(parquetWriteBuffer({ columnData, codec, rowGroupSize: 1 }));
    expect(readParquet(file, 't.parquet')).toEqual({
      count: 2,
      columns: [
        { type: 'numbers', name: 'f', values: Float64Array.of(1.5, Number.NaN) },
        { type: 'numbers', name: 'i', values: Float64Array.of(7, 8) },
        { type: 'numbers', name: 'b', values: Float64Array.of(1, 0), isBoolean: true },
        { type: 'texts', name: 's', values: ['x', ''] },
        { type: 'other', name: 'd' },
      ],
    });
  });

  it('says that a file is not a Parquet file', () => {
    expect(() => readParquet(Uint8Array.of(1, 2, 3), 't.parquet')).toThrow('t.parquet cannot be read as a Parquet file');
  });
});

describe('samples from tables', () => {
  const two = {
    values: [
      [[2], [1, 2]],
      [[2], [3, 4]],
    ],
    labels: Int32Array.of(2, 0),
  };

  it.each([
    ['the label by its name', 'label,a,b\n2,1,2\n0,3,4\n'],
    ['the names of classes', 'a,b,Class\n1,2,cat\n3,4,ant\n'],
    ['the last column as the label', 'a,b,species\n1,2,cat\n3,4,ant\n'],
    ['an index that pandas wrote', ',a,b,y\n0,1,2,2\n1,3,4,0\n'],
    ['texts beside the numbers', 'name,a,b,target\nfoo,1,2,2\nbar,3,4,0\n'],
    ['no names', '1,2,cat\n3,4,ant\n'],
  ])('takes %s', (_, text) => {
    expect(firstInput(read({ inputs: write('t.csv', text) }))).toEqual(two);
  });

  const spaced = 'a, b, label\n1, 2, dog\n3, 4, cat\n';

  it('takes labels without the blanks after commas', () => {
    const inputs = write('t.csv', spaced);
    const expected = { classes: ['cat', 'dog'], values: Int32Array.of(1, 0) };
    expect(
      readSamples('d.yaml', { inputs, labels: undefined }, [X], targetReader('classification', undefined)).targets,
    ).toMatchObject(expected);
    for (const classes of [
      ['cat', 'dog'],
      // As a model names them that was trained on the cells as they are.
      [' cat', ' dog'],
    ]) {
      const { targets } = readSamples('d.yaml', { inputs, labels: undefined }, [X], targetReader('classification', classes));
      expect(targets?.values).toEqual(expected.values);
    }
  });

  it('keeps the blanks of inputs that are texts', () => {
    const text: TensorSpec = { name: 't', dtype: 'string', shape: [1] };
    const { columns } = read({ inputs: write('t.csv', 't, label\n cat , ant\n') }, [text]);
    expect(Buffer.from(columns[0].tensor(0).data).toString()).toContain(' cat ');
  });

  it.each(['.npy', '.npz#some', '.csv#some', '.parquet#some'])('takes one array or column for the only input: x%s', (ending) => {
    const spec: TensorSpec = { name: 'x', dtype: 'float32', shape: [1] };
    const array = npyFile([2, 1], Float32Array.of(5, 6));
    write('x.npy', array);
    write('x.npz', zipSync({ 'some.npy': array, 'x.npy': npyFile([1, 1], Float32Array.of(7)) }));
    write('x.csv', 'x,some\n7,5\n8,6\n');
    write('x.parquet', parquetWriteBuffer({ columnData: [{ name: 'some', data: [5, 6], type: 'DOUBLE' }] }));
    const inputs = join(dir, `x${ending}`);
    const expected = {
      values: [
        [[1], [5]],
        [[1], [6]],
      ],
      labels: Int32Array.of(2, 0),
    };
    expect(firstInput(read({ inputs, labels: write('y.csv', 'label\ncat\nant\n') }, [spec]))).toEqual(expected);
    expect(() => read({ inputs }, [spec, { ...spec, name: 'z' }])).toThrow(
      `d.yaml: data.inputs: x${ending} is one array, but the models have the inputs x, z; name one per input: { x: ..., z: ... }`,
    );
  });

  it('takes the label that the deployment names, from this table or another file', () => {
    const inputs = write('t.csv', 'a,kind,b,label\n1,cat,2,9\n3,ant,4,9\n');
    expect(firstInput(read({ inputs, labels: `${inputs}#kind` }, [{ ...X, shape: [3] }])).labels).toEqual(two.labels);
    const labels = write('labels.csv', 'id,label\n7,cat\n8,ant\n');
    const plain = write('plain.csv', 'a,b\n1,2\n3,4\n');
    expect(firstInput(read({ inputs: plain, labels }))).toEqual(two);
    expect(firstInput(read({ inputs: { x: plain }, labels: `${labels}#label` }))).toEqual(two);
    expect(read({ inputs: plain }).targets).toBeUndefined();
  });

  it.each([
    ['a,y,label', 'label', 'label, y'],
    ['a,Class,target', 'target', 'target, Class'],
  ])('does not guess which of %s is the label', (header, likeliest, listed) => {
    const inputs = write('t.csv', `${header}\n1,2,2\n3,4,0\n`);
    const message = `: each of the columns ${listed} may be the label; name it, such as \`labels: FILE#${likeliest}\``;
    expect(() => read({ inputs })).toThrow(`t.csv (data.inputs)${message}`);
    expect(() => read({ inputs: { x: inputs } })).toThrow(`t.csv (data.inputs.x)${message}`);
    const unlabelled = write('x.csv', 'a,b\n1,2\n3,4\n');
    expect(() => read({ inputs: unlabelled, labels: inputs })).toThrow(`t.csv (data.labels)${message}`);
    expect(firstInput(read({ inputs, labels: `${inputs}#${likeliest}` }))).toEqual(two);
  });

  it('takes an input called y as an input, beside the label', () => {
    const specs: TensorSpec[] = ['x', 'y'].map((name) => ({ name, dtype: 'float32', shape: [1], pad: 0 }));
    expect(read({ inputs: write('t.csv', 'x,y,label\n1,2,2\n3,4,0\n') }, specs).targets?.values).toEqual(two.labels);
  });

  it('takes each input from the column with its name', () => {
    const specs: TensorSpec[] = ['age', 'height'].map((name) => ({ name, dtype: 'float32', shape: [1], pad: 0 }));
    const inputs = write('t.csv', 'height,age,label\n180,30,2\n170,20,0\n');
    const { columns, targets } = read({ inputs }, specs);
    expect(columns.map((column) => new Float32Array(column.tensor(0).data.slice().buffer)[0])).toEqual([30, 180]);
    expect(targets?.values).toEqual(two.labels);
    const one = read({ inputs: { age: `${inputs}#height`, height: `${inputs}#age` } }, specs);
    expect(new Float32Array(one.columns[0].tensor(1).data.slice().buffer)[0]).toBe(170);
  });

  it('takes the columns of a row as pixels of an image', () => {
    const inputs = write('t.csv', 'a,b,c,d,label\n1,2,3,4,0\n');
    expect(firstInput(read({ inputs }, [{ ...X, shape: [1, 2, 2] }])).values).toEqual([
      [
        [1, 2, 2],
        [1, 2, 3, 4],
      ],
    ]);
  });

  it('takes lists in a Parquet file as ragged inputs', () => {
    const inputs = write('t.parquet', parquetWriteBuffer(LISTS));
    const { columns, targets } = read({ inputs }, [{ name: 'ids', dtype: 'int64', shape: [null], pad: 0 }]);
    expect(columns[0].tensor(0).shape).toEqual([2]);
    expect(new BigInt64Array(columns[0].tensor(1).data.slice().buffer)).toEqual(BigInt64Array.of(7n));
    expect(targets?.values).toEqual(two.labels);
  });

  it.each([
    [
      't.csv (data.inputs) has 3 columns of numbers besides the label label; the models need x float32[2]; its columns are a, b, c, label',
      'a,b,c,label\n1,2,3,0\n',
    ],
    [
      'its columns are a, b, label; column b holds texts, as row 3 has "1,5": write a number, or leave the cell empty',
      'a,b,label\n1,2,0\n3,"1,5",1\n?,-,2\n',
    ],
    ['t.csv#label: label 0 is "dog"; expected one of the classes ant, bee, cat', 'a,b,label\n1,2,dog\n'],
    ['t.csv#label: label 1 is NaN; expected 0 to 2', 'a,b,label\n1,2,0\n1,2,\n'],
    ['t.csv (data.inputs): sample 1 holds NaN; expected finite numbers', 'a,b,label\n1,2,0\n,2,1\n'],
  ])('says "%s"', (message, text) => {
    expect(() => read({ inputs: write('t.csv', text) })).toThrow(message);
  });

  it.each([
    ['t.csv is not text in UTF-8 (line 2); save it as UTF-8', 't.csv', Buffer.from('a,b,label\n1,2,gr\xfcn\n', 'latin1')],
    ['t.jsonl is text in UTF-16; save it as UTF-8', 't.jsonl', Buffer.from('\ufeff{}', 'utf16le')],
    ['t.csv is compressed with gzip; run `gunzip` on it', 't.csv', Buffer.from('\x1f\x8b', 'latin1')],
    ['t.jsonl is compressed with gzip; run `gunzip` on it', 't.jsonl', Buffer.from('\x1f\x8b', 'latin1')],
    ['t.xlsx is an Excel workbook; save it as CSV (UTF-8)', 't.xlsx', Buffer.from('PK\x03\x04........[Content_Types].xml')],
    ['t.csv is an Excel workbook; save it as CSV (UTF-8)', 't.csv', Buffer.from('PK\x03\x04........[Content_Types].xml')],
  ])('says "%s"', (message, file, bytes) => {
    expect(() => read({ inputs: write(file, bytes) })).toThrow(message);
  });

  it('names the first cell that is no number, when an input of any length would silently lose its column, or has one column', () => {
    const inputs = write('t.csv', 'a,b,c,name,label\n1,2,3,foo,2\n3,-,4,bar,0\n');
    const stray = 'column b holds texts, as row 3 has "-": write a number, or leave the cell empty';
    expect(() => read({ inputs }, [{ ...X, shape: [null] }])).toThrow(stray);
    expect(() => read({ inputs: { x: `${inputs}#b` } }, [{ ...X, shape: [1] }])).toThrow(stray);
    const plain = write('t.csv', 'a,c,name,label\n1,3,foo,2\n3,4,bar,0\n');
    expect(firstInput(read({ inputs: plain }, [{ ...X, shape: [null] }])).values[1]).toEqual([[2], [3, 4]]);
  });

  it('accepts JSON lines with a byte order mark', () => {
    const inputs = write('t.jsonl', '\ufeff{"inputs": {"x": [1, 2]}, "label": 2}\n{"inputs": {"x": [3, 4]}, "label": 0}\n');
    expect(firstInput(read({ inputs }))).toEqual(two);
  });

  it('lists the columns if one is missing', () => {
    const inputs = write('t.csv', 'a,b,label\n1,2,0\n');
    expect(() => read({ inputs, labels: `${inputs}#kind` })).toThrow('has no column kind; its columns are a, b, label');
    expect(() => read({ inputs: { x: `${inputs}#c` } })).toThrow('has no column c; its columns are a, b, label');
    expect(() => read({ inputs }, [X, { ...X, name: 'z' }])).toThrow(
      't.csv (data.inputs) has no columns x and z; the models need x float32[2], z float32[2]; its columns are a, b, label',
    );
  });

  it.each([
    [
      ['true', 'false'],
      [1, 0],
    ],
    [
      ['False', 'True'],
      [0, 1],
    ],
    [
      ['no', 'yes'],
      [0, 1],
    ],
    [undefined, [0, 1]],
  ])('takes labels of true and false as the classes %j', (classes, expected) => {
    const booleans = [
      { name: 'a', data: [1, 2], type: 'DOUBLE' as const },
      { name: 'b', data: [1, 2], type: 'DOUBLE' as const },
      { name: 'label', data: [false, true], type: 'BOOLEAN' as const },
    ];
    const sample = (label: boolean) => `${JSON.stringify({ inputs: { x: [1, 2] }, label })}\n`;
    const reader = targetReader('classification', classes);
    for (const inputs of [
      write('t.csv', 'a,b,label\n1,1,False\n2,2, True\n'),
      write('t.parquet', parquetWriteBuffer({ columnData: booleans })),
      write('t.jsonl', sample(false) + sample(true)),
    ]) {
      expect(readSamples('d.yaml', { inputs, labels: undefined }, [X], reader).targets?.values).toEqual(
        Int32Array.from(expected),
      );
    }
    const array = { dtype: 'bool' as const, shape: [2], data: Uint8Array.of(0, 1) };
    expect(reader?.ofArray(array, 'y.npy').values).toEqual(Int32Array.from(expected));
  });

  it('keeps the order of columns that are called 0, 1, 2 ...', () => {
    const inputs = write('t.json', '{"0": 1, "1": 2, "kind": 0}\n{"0": 3, "1": 4, "kind": 2}\n');
    expect(firstInput(read({ inputs }))).toEqual({
      values: [
        [[2], [1, 2]],
        [[2], [3, 4]],
      ],
      labels: Int32Array.of(0, 2),
    });
  });

  it('does not guess whether y is a coordinate or the label', () => {
    const inputs = write('t.csv', 'x,y,cluster\n1,2,0\n3,4,1\n');
    const point = [{ ...X, name: 'point' }];
    expect(() => read({ inputs }, point)).toThrow('each of the columns y, cluster may be the label; name it');
    expect(firstInput(read({ inputs, labels: `${inputs}#cluster` }, point)).labels).toEqual(Int32Array.of(0, 1));
    expect(firstInput(read({ inputs: write('u.csv', 'y,a,b\n0,1,2\n') }, point)).labels).toEqual(Int32Array.of(0));
  });

  it('takes numbers as texts where the models do, as they are written', () => {
    const texts: TensorSpec = { name: 'class', dtype: 'string', shape: [1] };
    const inputs = write('t.csv', 'class,label\n01,1\n2.0,0\n,1\n');
    const { columns } = readSamples('d.yaml', { inputs, labels: undefined }, [texts], undefined);
    expect([0, 1, 2].map((i) => decodeStrings(columns[0].tensor(i).data))).toEqual([['01'], ['2.0'], ['']]);
    const records = write('t.jsonl', '{"class": 1, "label": 1}\n');
    expect(() => readSamples('d.yaml', { inputs: records, labels: undefined }, [texts], undefined)).toThrow(
      'column class holds numbers, but the models need class as texts; save it as texts',
    );
  });

  it('names the first text in a column of numbers, also in records', () => {
    const inputs = write('t.jsonl', '{"a": 1, "b": 2, "label": 0}\n{"a": 1, "b": "?", "label": 1}\n');
    expect(() => read({ inputs })).toThrow('column b holds texts, as row 2 has "?"');
  });

  it('takes lists in a column as the labels of a sample', () => {
    const reader = targetReader('multi-label', undefined);
    const labels = (lists: unknown[]) => {
      const inputs = write('t.jsonl', lists.map((list) => JSON.stringify({ x: [1, 2], labels: list })).join('\n'));
      return readSamples('d.yaml', { inputs, labels: undefined }, [X], reader).targets;
    };
    expect(
      labels([
        [0, 1],
        [1, 1],
      ]),
    ).toEqual({ width: 2, values: Float32Array.of(0, 1, 1, 1) });
    expect(() => labels([[0, 1], [1]])).toThrow('t.jsonl#labels: row 2 does not hold a list of 2 numbers, as long as the others');
    expect(() => labels([[0, 1], null])).toThrow('row 2 does not hold a list');
  });

  it('takes features of true and false as 1 and 0', () => {
    const inputs = write('t.csv', 'a,label\ntrue,2\nfalse,0\n');
    expect(firstInput(read({ inputs }, [{ ...X, shape: [1] }])).values).toEqual([
      [[1], [1]],
      [[1], [0]],
    ]);
  });

  it('numbers classes in the order of their names by default, as scikit-learn does', () => {
    const inputs = write('t.csv', 'a,b,label\n1,2,cat\n3,4,ant\n');
    const { targets } = readSamples('d.yaml', { inputs, labels: undefined }, [X], targetReader('classification', undefined));
    expect(targets).toEqual({ width: 1, values: Int32Array.of(1, 0), classes: ['ant', 'cat'] });
  });
});
