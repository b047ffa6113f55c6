/** What the controls can be set to; links and files are held to the same. */
export const MAX_TOKENS = 2048;
export const BUDGET = { min: 16, max: 2048, fresh: 64 } as const;
/** A seed is a `u32` that a link can carry. */
export const MAX_SEED = 0xffff_ffff;
export const MAX_SHADOW = 64;
/** Megabytes that budgets may be fitted to. */
export const MAX_MEMORY = 4096;
/** Limits of the guard that a visitor can set. */
export const LIMITS = ['recall', 'error', 'acceptance', 'noise'] as const;
/** Workers that a text can be spread over. */
export const MOST_HOSTS = 3;
export const TEMPERATURE = { min: 0, max: 2 } as const;
