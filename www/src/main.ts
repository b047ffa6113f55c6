import { mount } from 'svelte';
import App from './App.svelte';
import './app.css';
import { words } from './words/words.svelte.js';

const target = document.getElementById('app');
// The words come first, or a page in Korean would flash in English.
if (target) void words.start().then(() => mount(App, { target }));
