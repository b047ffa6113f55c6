/** What the controls can be set to; links and files are held to the same. */
export interface Range {
  min: number;
  max: number;
  /** What stands for something that is no number. */
  fresh: number;
}
export const MAX_TOKENS = 2048;
export const BUDGET = { min: 16, max: 2048, fresh: 64 } as const;
/** A seed is a `u32` that a link can carry, `memory` in megabytes. */
export const WHOLE = {
  seed: { min: 0, max: 0xffff_ffff, fresh: 0 },
  shadow: { min: 0, max: 64, fresh: 0 },
  memory: { min: 1, max: 4096, fresh: 64 },
} as const;
/** Workers that a text can be spread over. */
export const MOST_HOSTS = 3;
export const TEMPERATURE = { min: 0, max: 2, fresh: 0 } as const;
