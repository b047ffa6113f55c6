/** Korean, by the English texts; a module of its own, so that nobody else loads it. */
import article from './ko/article.json';
import controls from './ko/controls.json';
import messages from './ko/messages.json';
import pictures from './ko/pictures.json';
import registry from './ko/registry.json';
import run from './ko/run.json';
import tour from './ko/tour.json';
import view from './ko/view.json';
import type { Dictionary } from './words.svelte.js';

const korean: Dictionary = { ...article, ...controls, ...messages, ...pictures, ...registry, ...run, ...tour, ...view };
export default korean;
