import { messageOf } from '../../engine/errors.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import type { Profile } from '../../plans/domain/profile/profile.ts';
import { readProfile } from '../../plans/domain/profile/profile-file.ts';
import type { ServingContext } from './serving-context.ts';

/** The profile for a plan's weights: this process's own, or the one in the file, which is updated along with the weights. */
export function profilesOf({
  profile: known,
  profileFile,
  log,
}: Pick<ServingContext, 'profile' | 'profileFile' | 'log'>): (plan: GearPlan) => Profile | undefined {
  return (plan) => {
    const isOf = ({ models }: Profile): boolean =>
      models.length === plan.models.length && models.every(({ name, digest }) => plan.weights[name]?.digest === digest);
    if (isOf(known)) return known;
    let reason = 'it was measured with other weights than those of the plan';
    try {
      const profile = readProfile(profileFile);
      if (isOf(profile)) return profile;
    } catch (error) {
      reason = messageOf(error);
    }
    log.warn({ profile: profileFile, reason }, 'certainties are not compared with those of the profile');
    return undefined;
  };
}
