import type { LabelledData } from '../data/labelled-data.ts';
import { allSamples } from '../data/split.ts';
import { type Deployment, deviceClass } from '../domain/deployment/deployment.ts';
import type { Profile } from '../domain/profile/profile.ts';
import { profileDigest } from '../domain/profile/profile-digest.ts';
import { SYNTHETIC_INPUTS, syntheticProfile } from './synthetic.ts';

/** The generated profile of a deployment with a made-up family; the same figures and seed give the same profile. */
export function profileOfSynthetic(deployment: Deployment): Profile {
  const family = settingsOf(deployment);
  const profile = syntheticProfile({
    ...family,
    deployment: deployment.name,
    deviceClasses: Object.fromEntries(deployment.devices.map((device) => [deviceClass(device), 1])),
  });
  return { ...profile, digest: profileDigest(deployment), machine: 'no machine: a synthetic family, all figures are made up' };
}

/** The samples of a made-up family; each is its own index. All of them are used for planning and sent, as only they have records. */
export function dataOfSynthetic(deployment: Deployment): LabelledData {
  const { labels } = syntheticProfile(settingsOf(deployment));
  const all = allSamples(labels.length);
  return {
    count: labels.length,
    specs: SYNTHETIC_INPUTS,
    sample: (index) => [{ data: new Uint8Array(Int32Array.of(index).buffer), shape: [1] }],
    labels,
    classes: deployment.classes,
    targetWidth: 1,
    hasQuality: true,
    qualityOf: (index, _, { label }) => (label === labels[index] ? 1 : 0),
    validation: all,
    load: all,
  };
}

function settingsOf({ synthetic, file }: Deployment): NonNullable<Deployment['synthetic']> {
  if (synthetic === undefined) throw new Error(`${file} names a real family`);
  return synthetic;
}
