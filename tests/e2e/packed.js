import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGE = fileURLToPath(new URL('../../pkg', import.meta.url));

/**
 * An empty app in a folder of its own, in which the package is installed as it would be published.
 * @returns {{ app: string, tarball: string, about: { size: number, unpackedSize: number }, remove: () => void }}
 */
export function installPacked() {
  const app = mkdtempSync(join(tmpdir(), 'attnscope-app-'));
  const npm = (args, cwd) => execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  const [about] = JSON.parse(npm(['pack', '--json', '--pack-destination', app], PACKAGE));
  writeFileSync(join(app, 'package.json'), '{"name": "app", "private": true, "type": "module"}');
  npm(['install', '--offline', '--no-audit', '--no-fund', `./${about.filename}`], app);
  const remove = () => rmSync(app, { recursive: true, force: true });
  return { app, tarball: join(app, about.filename), about, remove };
}
