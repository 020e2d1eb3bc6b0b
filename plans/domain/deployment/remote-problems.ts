import type { DeploymentYaml } from './schema.ts';
import type { Problem } from './yaml-problems.ts';

/** Mismatches between the models and the servers that should run them. */
export function remoteProblems({ models = [], devices }: DeploymentYaml): Problem[] {
  const problems: Problem[] = [];
  const refuse = (path: Problem['path'], message: string): void => void problems.push({ path, message });
  const remoteModels = models.filter(({ remote }) => remote !== undefined).map(({ name }) => name);
  const firstAt = new Map<string, string>();
  const served = new Set<string>();
  devices.forEach((device, i) => {
    if (device.kind !== 'remote') return;
    const { url, tls, models: named } = device;
    if (remoteModels.length === 0)
      refuse(['devices', i], 'no model has a name on a server; write `remote: NAME` for the models that this server has');
    for (const [m, model] of (named ?? []).entries()) {
      if (remoteModels.includes(model)) continue;
      const isModel = models.some(({ name }) => name === model);
      const what = isModel
        ? 'has no `remote`, the name that the server knows it by'
        : `is not a model; the models are ${models.map(({ name }) => name).join(', ')}`;
      refuse(['devices', i, 'models', m], `${model} ${what}`);
    }
    for (const model of named ?? remoteModels) served.add(model);
    if (tls !== undefined && /^(http|grpc):/.test(url))
      refuse(['devices', i, 'tls'], `needs https:// or grpcs://; the url is ${url}`);
    if ((tls?.cert === undefined) !== (tls?.key === undefined))
      refuse(['devices', i, 'tls'], 'has only one of cert and key; a client certificate needs both');
    // They belong to one device class, and a model can run either on all devices of a class or on none.
    const list = (named ?? remoteModels).toSorted().join(', ');
    const key = `${url} in ${device.inFlight}`;
    const first = firstAt.get(key);
    if (first !== undefined && first !== list)
      refuse(['devices', i, 'models'], `has ${list}, but another device with this url has ${first}; give both the same models`);
    firstAt.set(key, first ?? list);
  });
  models.forEach(({ name, file, remote }, i) => {
    if (file === undefined && remote === undefined)
      refuse(['models', i, 'file'], 'is missing; name an ONNX file, or what a server calls the model: `remote: NAME`');
    else if (file === undefined && !served.has(name))
      refuse(
        ['models', i, 'remote'],
        `no device of kind remote has model ${name}, which has no file; add such a device, or list the model in the \`models\` of one`,
      );
  });
  return problems;
}
