import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** The files of the repository, tracked or about to be, with forward slashes. Ignored ones (builds, packages) are not the house's. */
export function repositoryFiles(root) {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 })
  return listed.split('\0').filter((path) => path !== '' && existsSync(join(root, path)))
}
