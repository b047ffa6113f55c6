/** What the controls can be set to; links and files are held to the same. */
export const MAX_TOKENS = 2048;
export const BUDGET = { min: 16, max: 2048, fresh: 64 } as const;
