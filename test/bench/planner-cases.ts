import { loadDeployment } from '../../plans/domain/deployment/read-deployment.ts';
import type { PlanRequest } from '../../plans/planner/plan-request.ts';
import { planRequestOf } from '../../plans/planner/request-of-deployment.ts';
import { profileOfSynthetic } from '../../plans/synthetic/synthetic-deployment.ts';

export const PAPER_CASES = ['bert-like', 'llama-like'] as const;

/** A synthetic case of the paper's scale (CascadeServe §6): a deployment of conf/synthetic. */
export function paperCase(
  name: (typeof PAPER_CASES)[number],
  change: Partial<PlanRequest> & { ranges?: number } = {},
): PlanRequest {
  const { ranges, ...rest } = change;
  const deployment = loadDeployment(new URL(`../../conf/synthetic/${name}`, import.meta.url).pathname);
  return { ...planRequestOf(deployment, profileOfSynthetic(deployment), { ranges }), ...rest };
}
